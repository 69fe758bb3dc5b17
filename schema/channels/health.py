"""Health of a channel: whether we send to it, and if not, why."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct


class ChannelHealth(Struct, frozen=True, kw_only=True):
    """A channel that is backing off recovers by itself; a disabled one gets nothing until you resume or change it."""

    state: Annotated[
        Literal["ok", "backing_off", "disabled"],
        Meta(
            description="backing_off: nothing is sent for a while after repeated temporary failures."
            " disabled: nothing is sent after repeated permanent failures."
        ),
    ]
    reason: Annotated[str, Meta(description="Why the newest attempt failed, or why the channel is disabled.")]
    since: Annotated[
        datetime | None, Meta(description="Since when every attempt has failed. null: the newest attempt succeeded.")
    ]
    failures: Annotated[int, Meta(description="Consecutive temporary failures.")]
    rejections: Annotated[
        int, Meta(description="Permanent failures of different messages since the channel last accepted one.")
    ] = 0
