"""Messages: the content of one delivery, before a provider renders it."""

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

    delivery_id    the same on every attempt, so that a receiver can drop duplicates
    status         status of the monitor after the event; None for events without a monitor
    started_at     start of the outage: its first failing check, not its confirmation
    duration_s     length of the outage, so far while it lasts
    ping_ms        response time of the check that caused the event
    test           a test message of a user; nothing happened
    incident_id    incident of the outage, the same for down, reminders and up: providers deduplicate by it
    reminder       an alert for this outage was sent before
    silent         the channel's people did not ask for the event: only what it ends is ended
    late_s         how long after the event this is sent, when worth mentioning; None: in time
    ack_url        page to acknowledge the outage; empty when there is nothing to acknowledge
    title, text    rendered from the channel's templates; empty: default texts
    timezone       of the times in the texts: the channel's; machine formats stay in UTC
    merged         other messages sent together with this one, which is the newest
    facts          event data as stored: for templates and webhooks
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
    silent: bool = False
    late_s: float | None = None
    ack_url: str = ""
    title: str = ""
    text: str = ""
    timezone: str = "UTC"
    merged: tuple["Message", ...] = ()
    facts: dict[str, Any] = {}
