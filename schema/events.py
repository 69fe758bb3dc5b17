"""Events: what happened. One catalogue for channels, WebSocket, webhooks and audit."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class EventKind(StrEnum):
    """Every kind of event."""

    MONITOR_DOWN = "monitor.down"
    MONITOR_UP = "monitor.up"
    MONITOR_DEGRADED = "monitor.degraded"
    MONITOR_UNKNOWN = "monitor.unknown"
    MONITOR_CLEARED = "monitor.cleared"
    MONITOR_CREATED = "monitor.created"
    MONITOR_UPDATED = "monitor.updated"
    MONITOR_DELETED = "monitor.deleted"
    MONITOR_PAUSED = "monitor.paused"
    MONITOR_RESUMED = "monitor.resumed"
    CERTIFICATE_EXPIRING = "certificate.expiring"
    DOMAIN_EXPIRING = "domain.expiring"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_ACKNOWLEDGED = "incident.acknowledged"
    INCIDENT_ESCALATED = "incident.escalated"
    INCIDENT_RESOLVED = "incident.resolved"
    MAINTENANCE_STARTED = "maintenance.started"
    MAINTENANCE_ENDED = "maintenance.ended"
    BACKEND_DOWN = "backend.down"
    BACKEND_UP = "backend.up"
    BACKEND_RESTARTED = "backend.restarted"
    RECOVERY_EXHAUSTED = "backend.recovery_exhausted"
    DEPLOYMENT_STARTED = "deployment.started"
    DEPLOYMENT_SUCCEEDED = "deployment.succeeded"
    DEPLOYMENT_FAILED = "deployment.failed"
    NODE_JOINED = "cluster.node_joined"
    NODE_LEFT = "cluster.node_left"
    NODE_FAILED = "cluster.node_failed"
    LEADER_ELECTED = "cluster.leader_elected"
    REBALANCED = "cluster.rebalanced"
    SCHEDULE_LAG = "system.schedule_lag"
    QUEUE_LAG = "system.queue_lag"
    NO_WORKER = "system.no_worker"
    CHANNEL_FAILING = "system.channel_failing"
    RESULTS_LOST = "system.results_lost"
    ALERTS_STUCK = "system.alerts_stuck"
    DISK_FULL = "system.disk_full"
    NETWORK_GONE = "system.network_gone"
    CLOCK = "system.clock"
    RECOVERED = "system.recovered"
    TEST = "channel.test"


class Event(Struct, frozen=True, kw_only=True):
    """One event, with the time it happened.

    data    for monitor.*: monitor{id,name,type}, status, msg, started_at (of the outage), duration (s, on up),
            ping (ms), incident{id} of an outage, reminder (true on a repeated down);
            parent{id,name} that explains why a monitor is down;
            for monitor.cleared: what (degraded, unknown, certificate or domain) is over, started_at and duration of
            that, ended_by (the event that ended it, if one did), name, fingerprint and expires_at of a certificate
            or domain;
            for certificate.* and domain.*: monitor, name, expires_at, days;
            for incident.*: incident{id,title}, monitor if it has one, by (who), after (s that nobody acknowledged);
            for maintenance.*: maintenance{id,name}, ends_at; for backend.* and deployment.*: backend or project, error,
            duration; for cluster.*: node_id;
            for system.*: what (the problem's name), msg, started_at (of the problem), channel{id,name,type}, and
            metrics.
            Everything a message needs, and no secrets
    """

    id: str
    event: EventKind
    at: datetime
    monitor_id: str | None = None
    data: dict[str, Any] = {}

    @property
    def is_test(self) -> bool:
        """Whether this is a test message: a user tests a channel and waits for the result."""
        return self.event is EventKind.TEST or self.data.get("test") is True
