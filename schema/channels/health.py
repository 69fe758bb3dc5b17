"""How a channel does: whether it is told anything, and if not, why."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct


class ChannelHealth(Struct, frozen=True, kw_only=True):
    """Resting ends by itself; a paused channel is told nothing until somebody resumes or repairs it."""

    state: Literal["ok", "resting", "paused"]
    reason: Annotated[str, Meta(description="Why the newest try failed.")]
    since: Annotated[datetime | None, Meta(description="Since when every try failed.")]
    failures: Annotated[int, Meta(description="Temporary ones in a row.")]
