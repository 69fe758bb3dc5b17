"""Builders: a valid one of everything, with keywords for what a test is about."""

import uuid
from typing import Any

from msgspec import structs

from schema.audit import AuditOutcome, NewAuditEntry
from schema.channels import ChannelConfig, ChannelDraft, Webhook
from schema.jobs import CheckOutcome, ResultBatch, ScheduleGap, Slot
from schema.monitors import MonitorDraft, Snapshot
from schema.proxies import ProxyDraft, ProxyProtocol
from schema.status import Role, Status
from schema.targets import TARGETS, Http, Target
from schema.users import Principal, Registration

NOW_MS = 1_795_000_000_000  # an instant of the tests, on the grid of every usual interval
MINUTE_MS = 60_000


def http(**changes: Any) -> Http:
    """A web address that would be watched."""
    return Http(**{"url": "http://127.0.0.1:9/", **changes})


def monitor(config: Target | None = None, **changes: Any) -> MonitorDraft:
    """A draft of a monitor: HTTP, every minute, down at its first failing check."""
    return MonitorDraft(**{"name": "web", "config": config or http(), "notification_channel_ids": [], **changes})


def monitor_json(type_: str = "http", config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The same as a client would send it."""
    plain = {"url": "http://127.0.0.1:9/"} if type_ == "http" else {}
    assert type_ in TARGETS
    return {"name": "web", "type": type_, "config": plain if config is None else config, **changes}


def webhook(**changes: Any) -> Webhook:
    """A webhook with a closed port."""
    return Webhook(**{"url": "http://127.0.0.1:9/hook", **changes})


def channel(config: ChannelConfig | None = None, **changes: Any) -> ChannelDraft:
    """A draft of a channel."""
    return ChannelDraft(**{"name": "ops", "config": config or webhook(), **changes})


def channel_json(**changes: Any) -> dict[str, Any]:
    """The same as a client would send it."""
    return {"name": "ops", "type": "webhook", "config": {"url": "http://127.0.0.1:9/hook"}, **changes}


def proxy(**changes: Any) -> ProxyDraft:
    """A draft of a proxy that does not exist."""
    return ProxyDraft(**{"name": "office", "protocol": ProxyProtocol.SOCKS5, "host": "127.0.0.1", "port": 9, **changes})


def snapshot(target: Target | None = None, **changes: Any) -> Snapshot:
    """What a worker knows of a monitor."""
    usual: dict[str, Any] = {
        "series": 1,
        "version": 1,
        "monitor_id": str(uuid.UUID(int=changes.get("series", 1))),
        "name": "web",
        "target": target or http(),
        "interval_ms": MINUTE_MS,
        "timeout_ms": 16_000,
        "retry_ms": MINUTE_MS,
        "max_retries": 0,
        "resend_interval": 0,
        "upside_down": False,
    }
    return Snapshot(**{**usual, **changes})


def slot(**changes: Any) -> Slot:
    """A due time."""
    return Slot(**{"series": 1, "version": 1, "at_ms": NOW_MS, **changes})


def outcome(**changes: Any) -> CheckOutcome:
    """A check that passed, 12 ms after its due time and within 34 ms."""
    at_ms = changes.get("at_ms", NOW_MS)
    usual = {"series": 1, "version": 1, "at_ms": at_ms, "status": Status.UP, "began_ms": at_ms + 12, "took_us": 34_000}
    return CheckOutcome(**{**usual, "code": 200, **changes})


def down(**changes: Any) -> CheckOutcome:
    """A check that failed."""
    return outcome(**{"status": Status.DOWN, "code": 0, "message": "connection refused", **changes})


def gap(**changes: Any) -> ScheduleGap:
    """One due slot without a result."""
    return ScheduleGap(**{"series": 1, "from_ms": NOW_MS, "to_ms": changes.get("from_ms", NOW_MS), **changes})


def results(*outcomes: CheckOutcome, gaps: list[ScheduleGap] | None = None) -> ResultBatch:
    """What a worker puts on the queue `ingest`."""
    return ResultBatch(list(outcomes), gaps or [])


def principal(**changes: Any) -> Principal:
    """A viewer who is signed in."""
    usual: dict[str, Any] = {"user_id": str(uuid.UUID(int=1)), "username": "ada", "role": Role.VIEWER, "via": "jwt"}
    return Principal(**{**usual, **changes})


def registration(**changes: Any) -> Registration:
    """Somebody who wants an account."""
    return Registration(**{"email": "ada@example.org", "username": "ada", "password": "correct horse", **changes})


def deed(**changes: Any) -> NewAuditEntry:
    """Something that is to be recorded."""
    return structs.replace(NewAuditEntry(action="test.done", resource="test", outcome=AuditOutcome.DONE), **changes)
