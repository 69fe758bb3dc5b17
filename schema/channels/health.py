"""Health of a channel: whether we send to it, and if not, why."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct


class ChannelHealth(Struct, frozen=True, kw_only=True):
    """A resting channel recovers by itself; a paused one receives nothing until you resume or change it."""

    state: Literal["ok", "resting", "paused"]
    reason: Annotated[str, Meta(description="Why the newest try failed.")]
    since: Annotated[datetime | None, Meta(description="Since when every try failed.")]
    failures: Annotated[int, Meta(description="Temporary ones in a row.")]
