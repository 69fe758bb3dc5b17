"""Messages: what one delivery tells one channel, before any provider has put it into its own words."""

from datetime import datetime
from typing import Any

from msgspec import Struct

from schema.events import EventKind
from schema.status import Status


class MessageMonitor(Struct, frozen=True, kw_only=True):
    """The monitor a message is about, as it was when the event happened."""

    id: str
    name: str
    type: str


class Message(Struct, frozen=True, kw_only=True):
    """One event for one channel.

    delivery_id    the same on every attempt: what a receiver drops doubles by
    status         the monitor's, after the event; None for events without one
    started_at     when the outage began: its first failing check, not its confirmation
    duration_s     the outage's length, so far while it lasts
    ping_ms        response time of the check that led here
    test           somebody pressed "test"; nothing happened
    incident_id    the outage's: the same on its down, its reminders and its up; what providers drop doubles by
    reminder       the outage was told before
    late_s         how long after the event this goes out, when that is worth a word; None: in time
    ack_url        where a reader acknowledges the outage; empty when there is nothing to acknowledge
    title, text    the channel's own words, rendered; empty: ours
    others         what is told together with this, in one message: this one is the newest of them
    facts          the event's data as it is stored: for templates, and for receivers that are programs
    """

    delivery_id: str
    event: EventKind
    at: datetime
    monitor: MessageMonitor | None = None
    status: Status | None = None
    msg: str = ""
    started_at: datetime | None = None
    duration_s: float | None = None
    ping_ms: float | None = None
    test: bool = False
    incident_id: str = ""
    reminder: bool = False
    late_s: float | None = None
    ack_url: str = ""
    title: str = ""
    text: str = ""
    merged: tuple["Message", ...] = ()
    facts: dict[str, Any] = {}
