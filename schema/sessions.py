"""Sessions as they are returned: document 003's shapes, and what tells one from another."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Active = Annotated[bool, Meta(description="Neither ended nor expired.")]
Current = Annotated[bool, Meta(description="The one that this request came with.")]
Device = Annotated[str, Meta(description="What signed in, in short words.", examples=["Firefox on Linux"])]


class SessionData(Struct, frozen=True, kw_only=True):
    """Whose a session is, and from where and with what they signed in."""

    user_id: str
    username: str
    ip: str
    device: Device


class Session(Struct, frozen=True, kw_only=True):
    """One sign-in: tokens and a cookie are its faces."""

    id: str
    user_id: str
    created: datetime
    last_accessed: Annotated[datetime, Meta(description="Right to the minute.")]
    expires: datetime
    active: Active
    current: Current
    data: SessionData
