"""A sample of every event, as it is stored: for template previews and webhook tests. Pure."""

from datetime import UTC, datetime
from typing import Any

from schema.events import Event, EventKind

SAMPLE_AT = datetime(2025, 8, 9, 12, 0, 0, tzinfo=UTC)
SAMPLE_ID = "00000000-0000-4000-8000-00000000e7e1"
STARTED_AT = "2025-08-09T11:56:48Z"
DURATION_S = 192

_MONITOR = {"id": "8d8ac610-566d-4ef0-9c22-186b2a5ed793", "name": "Shop", "type": "http"}
_OUTAGE = {"id": "5c3f1d0e-4a55-4a3c-9b0e-2f7f6f1f6a10"}
_INCIDENT = _OUTAGE | {"title": "Shop is down"}
_WINDOW = {"id": "0b1ee0a8-3a0f-4d21-8a64-1f1a7f0f7c11", "name": "Database upgrade"}
_CHANNEL = {"id": "f3b0c1a2-7d1e-4a38-9a55-6f1f7e0c9b12", "name": "On call", "type": "ntfy"}
_BACKEND = {"backend": "app-1", "error": "Health check failed"}
_DEPLOYMENT = {"deployment": "7", "project": "shop"}
_NODE = {"node_id": "node-3", "address": "192.168.1.12:7946"}

_DATA: dict[EventKind, dict[str, Any]] = {
    EventKind.MONITOR_DOWN: {
        "monitor": _MONITOR, "status": 0, "msg": "503 Service Unavailable", "ping": 41.6, "started_at": STARTED_AT,
        "duration": DURATION_S, "incident": _OUTAGE,
    },
    EventKind.MONITOR_UP: {
        "monitor": _MONITOR, "status": 1, "msg": "200 OK", "ping": 38.2, "started_at": STARTED_AT,
        "duration": DURATION_S, "incident": _OUTAGE,
    },
    EventKind.MONITOR_DEGRADED: {"monitor": _MONITOR, "status": 4, "msg": "answered after 2.1 s", "ping": 2_104},
    EventKind.MONITOR_UNKNOWN: {"monitor": _MONITOR, "status": 5, "msg": "our own network is gone"},
    EventKind.MONITOR_CLEARED: {
        "monitor": _MONITOR, "what": "degraded", "status": 1, "msg": "200 OK", "ping": 38.2, "started_at": STARTED_AT,
        "duration": DURATION_S,
    },
    EventKind.MONITOR_CREATED: {"monitor": _MONITOR},
    EventKind.MONITOR_UPDATED: {"monitor": _MONITOR},
    EventKind.MONITOR_DELETED: {"monitor": _MONITOR},
    EventKind.MONITOR_PAUSED: {"monitor": _MONITOR},
    EventKind.MONITOR_RESUMED: {"monitor": _MONITOR},
    EventKind.CERTIFICATE_EXPIRING: {
        "monitor": _MONITOR, "name": "shop.example.com", "expires_at": "2025-08-16T12:00:00Z", "days": 7,
    },
    EventKind.DOMAIN_EXPIRING: {
        "monitor": _MONITOR, "name": "example.com", "expires_at": "2025-09-08T12:00:00Z", "days": 30,
    },
    EventKind.INCIDENT_OPENED: {
        "monitor": _MONITOR, "incident": _INCIDENT, "status": 0, "msg": "503 Service Unavailable",
        "started_at": STARTED_AT, "duration": DURATION_S,
    },
    EventKind.INCIDENT_ACKNOWLEDGED: {
        "monitor": _MONITOR, "incident": _INCIDENT, "started_at": STARTED_AT, "by": "ann",
    },
    EventKind.INCIDENT_ESCALATED: {
        "monitor": _MONITOR, "incident": _INCIDENT, "step": 1, "status": 0, "started_at": STARTED_AT,
        "msg": "Nobody has acknowledged it: step 1 of 3.",
    },
    EventKind.INCIDENT_RESOLVED: {
        "monitor": _MONITOR, "incident": _INCIDENT, "status": 1, "msg": "200 OK", "started_at": STARTED_AT,
        "duration": DURATION_S,
    },
    EventKind.MAINTENANCE_STARTED: {"maintenance": _WINDOW, "ends_at": "2025-08-09T13:00:00Z"},
    EventKind.MAINTENANCE_ENDED: {"maintenance": _WINDOW},
    EventKind.BACKEND_DOWN: _BACKEND,
    EventKind.BACKEND_UP: {"backend": "app-1"},
    EventKind.BACKEND_RESTARTED: {"backend": "app-1", "restarts": 1},
    EventKind.RECOVERY_EXHAUSTED: _BACKEND | {"restarts": 3},
    EventKind.DEPLOYMENT_STARTED: _DEPLOYMENT,
    EventKind.DEPLOYMENT_SUCCEEDED: _DEPLOYMENT | {"duration": 42},
    EventKind.DEPLOYMENT_FAILED: _DEPLOYMENT | {"duration": 17, "error": "the image could not be pulled"},
    EventKind.NODE_JOINED: _NODE,
    EventKind.NODE_LEFT: _NODE,
    EventKind.NODE_FAILED: _NODE,
    EventKind.LEADER_ELECTED: _NODE,
    EventKind.REBALANCED: {"moved": 4},
    EventKind.SCHEDULE_LAG: {"what": "schedule_lag", "msg": "checks are 34 s late", "lag": 34},
    EventKind.QUEUE_LAG: {"what": "queue_lag", "msg": "a job waits for 61 s", "queue": "check", "lag": 61},
    EventKind.NO_WORKER: {"what": "no_worker", "msg": "no worker for 30 s"},
    EventKind.CHANNEL_FAILING: {"what": "channel_failing", "msg": "answered 404 Not Found", "channel": _CHANNEL},
    EventKind.RESULTS_LOST: {"what": "results_lost", "msg": "results of checks are missing: 12 checks had none"},
    EventKind.ALERTS_STUCK: {"what": "alerts_stuck", "msg": "an alert was due 42 s ago and was not sent"},
    EventKind.DISK_FULL: {"what": "disk_full", "msg": "4 % of 40 GB are free", "free": 0.04},
    EventKind.NETWORK_GONE: {"what": "network_gone", "msg": "no name can be resolved"},
    EventKind.CLOCK: {"what": "clock", "msg": "the clock of worker-a-1 moved by -3600 s"},
    EventKind.RECOVERED: {"what": "schedule_lag", "msg": "checks are on time"},
    EventKind.TEST: {"msg": "This is a test: the channel works."},
}  # fmt: skip


def sample_event(kind: EventKind, at: datetime = SAMPLE_AT, id_: str = SAMPLE_ID) -> Event:
    """A sample event of this kind. The caller may change its data."""
    data = {name: dict(value) if isinstance(value, dict) else value for name, value in _DATA[kind].items()}
    return Event(id=id_, event=kind, at=at, monitor_id=data.get("monitor", {}).get("id"), data=data)
