"""Sessions as returned: the shapes of document 003, with the device that signed in."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Active = Annotated[bool, Meta(description="Whether the session is neither ended nor expired.")]
Current = Annotated[bool, Meta(description="Whether this request uses this session.")]
Device = Annotated[str, Meta(description="Browser or program that signed in.", examples=["Firefox on Linux"])]


class SessionData(Struct, frozen=True, kw_only=True):
    """The user of a session, and the address and device they signed in from."""

    user_id: str
    username: str
    ip: str
    device: Device


class Session(Struct, frozen=True, kw_only=True):
    """One sign-in. Its tokens and its cookie belong to the same session."""

    id: str
    user_id: str
    created: datetime
    last_accessed: Annotated[datetime, Meta(description="Last use, accurate to a minute.")]
    expires: datetime
    active: Active
    current: Current
    data: SessionData
