"""Alarms of services that keep them open until they are closed: which events open, acknowledge and close each. Pure.

What opens must end: every alarm here has an event that closes it, on a key that names one subject.
"""

from msgspec import Struct

from schema.events import EventKind

SYSTEM_PREFIX = "system."


class Alarm(Struct, frozen=True):
    """The events of one kind of alarm.

    opened_by        also repeat it
    closed_by        for `monitor.cleared` and `system.recovered` only if `what` is the alarm's name
    acknowledged_by  it stays open, and stops ringing
    """

    opened_by: frozenset[EventKind]
    closed_by: frozenset[EventKind]
    acknowledged_by: frozenset[EventKind] = frozenset()


_PROBLEMS = (
    *(EventKind.SCHEDULE_LAG, EventKind.QUEUE_LAG, EventKind.NO_WORKER, EventKind.CHANNEL_FAILING),
    *(EventKind.RESULTS_LOST, EventKind.ALERTS_STUCK, EventKind.DISK_FULL, EventKind.NETWORK_GONE, EventKind.CLOCK),
)
_CLEARED = frozenset({EventKind.MONITOR_CLEARED})
ALARMS: dict[str, Alarm] = {
    "outage": Alarm(
        frozenset({EventKind.MONITOR_DOWN, EventKind.INCIDENT_OPENED, EventKind.INCIDENT_ESCALATED}),
        frozenset({EventKind.MONITOR_UP, EventKind.INCIDENT_RESOLVED}),
        frozenset({EventKind.INCIDENT_ACKNOWLEDGED}),
    ),
    "degraded": Alarm(frozenset({EventKind.MONITOR_DEGRADED}), _CLEARED),
    "unknown": Alarm(frozenset({EventKind.MONITOR_UNKNOWN}), _CLEARED),
    "certificate": Alarm(frozenset({EventKind.CERTIFICATE_EXPIRING}), _CLEARED),
    "domain": Alarm(frozenset({EventKind.DOMAIN_EXPIRING}), _CLEARED),
    "backend": Alarm(
        frozenset({EventKind.BACKEND_DOWN, EventKind.RECOVERY_EXHAUSTED}), frozenset({EventKind.BACKEND_UP})
    ),
    "deployment": Alarm(frozenset({EventKind.DEPLOYMENT_FAILED}), frozenset({EventKind.DEPLOYMENT_SUCCEEDED})),
    "node": Alarm(frozenset({EventKind.NODE_FAILED}), frozenset({EventKind.NODE_JOINED, EventKind.NODE_LEFT})),
    **{
        kind.removeprefix(SYSTEM_PREFIX): Alarm(frozenset({kind}), frozenset({EventKind.RECOVERED}))
        for kind in _PROBLEMS
    },
}
OPENING = frozenset(kind for alarm in ALARMS.values() for kind in alarm.opened_by)
CLOSING = frozenset(kind for alarm in ALARMS.values() for kind in alarm.closed_by)
ACKNOWLEDGING = frozenset(kind for alarm in ALARMS.values() for kind in alarm.acknowledged_by)
NAMED_BY_WHAT = frozenset({EventKind.MONITOR_CLEARED, EventKind.RECOVERED})

# Types of channels that open an alarm at a service, or let a message ring until it is acknowledged.
PAGING_TYPES = frozenset({"pagerduty", "opsgenie", "grafana_oncall", "pagertree"})
RINGING_TYPES = frozenset({"pushover"})
EMERGENCY_PRIORITY = 2  # the only one with which their messages ring


def opening_kinds(kind: EventKind, what: str) -> list[EventKind]:
    """The events that open the alarms which this event closes.

    what    of `monitor.cleared` and `system.recovered`: the alarm's name
    """
    named = {what.removeprefix(SYSTEM_PREFIX)} if kind in NAMED_BY_WHAT else ALARMS.keys()
    return sorted(
        opener
        for name in named
        if name in ALARMS and kind in ALARMS[name].closed_by
        for opener in ALARMS[name].opened_by
    )
