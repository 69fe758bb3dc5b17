"""Tables of incidents, their timelines, and escalation policies."""

from piccolo.columns import BigInt, BigSerial, Boolean, Integer, Text
from piccolo.table import Table


class IncidentRow(Table, tablename="incidents"):
    """An outage of a monitor, or a manual incident. A monitor has at most one open outage."""

    id = Text(primary_key=True)
    kind = Text(default="automatic")  # or manual
    monitor_id = Text(null=True, default=None)
    title = Text()
    is_public = Boolean(default=False)
    started_ms = BigInt()
    detected_ms = BigInt()
    acknowledged_ms = BigInt(null=True, default=None)
    acknowledged_by = Text(default="")
    resolved_ms = BigInt(null=True, default=None)
    post_mortem = Text(default="")
    escalation_id = Text(null=True, default=None)
    escalation_step = Integer(default=0)  # of the escalation: number of steps run, counted through all repeats
    next_escalation_ms = BigInt(null=True, default=None)  # when the next step is due; null: never
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()
    kept_monitor_name = Text(default="")  # of the monitor when it was deleted
    kept_monitor_type = Text(default="")


class IncidentEntryRow(Table, tablename="incident_entries"):
    """A timeline entry: detected, acknowledged, escalated, note or resolved; notifications are read from deliveries."""

    id = BigSerial(primary_key=True)
    incident_id = Text(index=True)
    at_ms = BigInt()
    kind = Text()
    text = Text(default="")
    author = Text(default="")


class EscalationRow(Table, tablename="escalations"):
    """Who is notified next while an incident is not acknowledged. `steps` is JSON."""

    id = Text(primary_key=True)
    name = Text()
    steps = Text()
    repeat = Integer(default=0)
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()
