"""Health of a channel: whether we send to it, and if not, why."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct


class ChannelHealth(Struct, frozen=True, kw_only=True):
    """A channel that is backing off recovers by itself; a disabled one gets nothing until you resume or change it."""

    state: Literal["ok", "backing_off", "disabled"]
    reason: Annotated[str, Meta(description="Why the newest try failed.")]
    since: Annotated[datetime | None, Meta(description="Since when every try failed.")]
    failures: Annotated[int, Meta(description="Temporary ones in a row.")]
