"""Tables of monitors, their series, schedule periods, gaps and parents."""

from piccolo.columns import BigInt, BigSerial, Boolean, Integer, SmallInt, Text
from piccolo.table import Table


class MonitorRow(Table, tablename="monitors"):
    """A monitor. `config` is JSON with encrypted secrets; `version` grows with every change."""

    id = Text(primary_key=True)
    name = Text()
    type = Text()
    description = Text(default="")
    active = Boolean(default=True)
    interval_s = Integer()  # 0: by `cron`, or on demand
    cron = Text(default="")
    timezone = Text(default="UTC")
    timeout_ms = Integer()
    max_retries = Integer(default=0)
    retry_interval_s = Integer(null=True, default=None)
    resend_interval = Integer(default=0)
    upside_down = Boolean(default=False)
    config = Text()
    group_alerts = Text(null=True, default=None)  # of a group: who alerts, `GroupAlerts`
    escalation_id = Text(null=True, default=None)
    push_key = Text(null=True, default=None, unique=True)  # SHA-256 of a push monitor's token
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class SeriesRow(Table, tablename="series"):
    """A monitor as seen from one location, and its state. Its number is the upper part of its heartbeats' keys."""

    no = BigSerial(primary_key=True)
    monitor_id = Text(index=True)
    location = Text(default="")
    status = SmallInt(default=5)
    status_since_ms = BigInt(null=True, default=None)  # when `status` began
    failing_since_ms = BigInt(null=True, default=None)  # first of the current consecutive failing checks
    retries = Integer(default=0)  # failing checks so far, while retries remain
    failures_since_alert = Integer(default=0)  # failing checks since the last alert
    alerted_ms = BigInt(null=True, default=None)  # the check whose outage was alerted; null: no alert is open
    degraded_ms = BigInt(null=True, default=None)  # the check that announced *degraded*; null: that is over
    unknown_ms = BigInt(null=True, default=None)  # the same of *unknown*
    expiring = Text(null=True, default=None)  # the certificate or domain of the newest open expiry notice
    deleted_ms = BigInt(null=True, default=None)  # the monitor was deleted; housekeeping removes the history
    order_ms = BigInt(null=True, default=None)  # the slot evaluated last, while later heartbeats are from a wrong clock


class SchedulePeriodRow(Table, tablename="schedule_periods"):
    """The schedule of a series from `from_ms` on, for counting missed slots. 0 ms and no cron: not scheduled."""

    series = BigInt(primary_key=True)
    from_ms = BigInt(primary_key=True)
    interval_ms = BigInt()
    cron = Text(default="")
    timezone = Text(default="UTC")


class GapRow(Table, tablename="gaps"):
    """Due slots that were not checked, both ends included."""

    series = BigInt(primary_key=True)
    from_ms = BigInt(primary_key=True)
    to_ms = BigInt()
    reason = Text()


class DependencyRow(Table, tablename="dependencies"):
    """The monitor can't be reached while the parent is down. A graph without cycles."""

    monitor_id = Text(primary_key=True)
    parent_id = Text(primary_key=True, index=True)


class GroupMemberRow(Table, tablename="group_members"):
    """A member of a group, itself a monitor. `position` is its place in the group's list."""

    group_id = Text(primary_key=True)
    monitor_id = Text(primary_key=True, index=True)
    position = Integer()
