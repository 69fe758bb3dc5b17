"""Converts between monitors and document 002's checks. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from msgspec import UNSET

from app.domain.compat import field_names, plugins, schedules
from app.domain.validation import structs
from app.errors import Invalid
from schema.checks import AdHocCheck, Check, CheckDraft, CheckPatch
from schema.errors import FieldError
from schema.monitors import DRAFTS, Monitor, MonitorDraft, MonitorPatch
from schema.targets import Target

MAX_INTERVAL_SHARE = 0.8  # of a short interval, at most the timeout, as for any monitor
NEEDS_HISTORY = frozenset({"push", "group", "manual"})  # their status depends on earlier reports or on other monitors
BAD_SCHEDULE = 'must be "every N seconds" (minutes, hours, days), from 5 seconds to 31 days, or five fields of cron'


@contextmanager
def name_check_fields(plugin_type: str) -> Iterator[None]:
    """Within this context, errors of a monitor's fields name the check's fields."""
    try:
        yield
    except Invalid as error:
        raise field_names.with_check_fields(plugins.monitor_type(plugin_type), error) from error


def check_from_monitor(monitor: Monitor, last_run: datetime | None) -> Check:
    """A monitor as document 002's check."""
    return Check(
        id=monitor.id,
        name=monitor.name,
        plugin_type=monitor.type,
        config=field_names.to_check_config(monitor.config, monitor.timeout),
        enabled=monitor.active,
        schedule=schedule_text(monitor),
        last_run=last_run,
        created_at=monitor.created_at,
        updated_at=monitor.updated_at,
    )


def schedule_text(monitor: Monitor) -> str | None:
    """The schedule in words; None when it runs on demand."""
    return schedules.format_interval(monitor.interval) if monitor.interval else monitor.cron


def monitor_draft(check: CheckDraft) -> MonitorDraft:
    """The draft of a new check's monitor. Raises Invalid with every wrong field."""
    type_ = plugins.monitor_type(check.plugin_type)
    config, timeout_s = field_names.to_monitor_config(type_, check.config)
    schedule, errors = _parse_schedule(check.schedule)
    fields = {"type": type_, "name": check.name, "config": config, "active": check.enabled, **schedule}
    fields |= _timeout_field(type_, timeout_s, schedule["interval"])
    return _validate_draft(type_, fields, errors)


def monitor_patch(monitor: Monitor, check: CheckPatch) -> MonitorPatch:
    """The monitor's patch for a check's patch. Raises Invalid with every wrong field."""
    schedule, errors = ({}, []) if check.schedule is UNSET else _parse_schedule(check.schedule)
    plain = {"name": check.name, "active": check.enabled}
    fields: dict[str, Any] = {name: value for name, value in plain.items() if value is not UNSET} | schedule
    if check.plugin_type is not UNSET:
        fields["type"] = plugins.monitor_type(check.plugin_type)
    interval_s = schedule.get("interval", monitor.interval)
    if check.config is not UNSET:
        fields["config"], timeout_s = field_names.to_monitor_config(monitor.type, check.config)
        fields |= _timeout_field(monitor.type, timeout_s, interval_s)
    elif schedule and _timeout_field(monitor.type, UNSET, monitor.interval) == {"timeout": monitor.timeout}:
        fields |= _timeout_field(monitor.type, UNSET, interval_s)  # it was the default, so it follows the interval
    return cast("MonitorPatch", _validate(monitor.type, fields, errors, MonitorPatch))


def ad_hoc_target(check: AdHocCheck) -> tuple[Target, float]:
    """(the target of an ad-hoc check, its timeout in seconds). Raises Invalid with every wrong field."""
    type_ = plugins.monitor_type(check.plugin_type)
    if type_ in NEEDS_HISTORY:
        raise Invalid.for_field(
            "plugin_type", f"{type_} can't be run ad hoc, because its status depends on stored reports"
        )
    config, timeout_s = field_names.to_monitor_config(type_, check.config)
    fields = {
        "type": type_,
        "name": type_,
        "config": config,
        "interval": None,
        **_timeout_field(type_, timeout_s, None),
    }
    draft = _validate_draft(type_, fields, [])
    return draft.config, draft.timeout or plugins.DEFAULT_TIMEOUT_S


def _parse_schedule(schedule: str | None) -> tuple[dict[str, Any], list[FieldError]]:
    """(a schedule as a monitor's fields, its errors)."""
    if schedule is None:
        return {"interval": None, "cron": None}, []
    if (interval_s := schedules.parse_interval(schedule)) is not None:
        return {"interval": interval_s, "cron": None}, []
    if len(schedule.split()) == schedules.CRON_FIELDS and not schedule.lower().startswith("every"):
        return {"interval": None, "cron": schedule}, []
    return {"interval": None, "cron": None}, [FieldError("schedule", BAD_SCHEDULE)]


def _timeout_field(type_: str, requested_s: Any, interval_s: int | None) -> dict[str, Any]:
    """The requested timeout, or the default of the type; empty for a type without its own default."""
    if requested_s is not UNSET:
        return {"timeout": requested_s}
    if type_ not in plugins.TIMEOUTS_S:
        return {}
    default_s = plugins.TIMEOUTS_S[type_]
    return {"timeout": min(default_s, MAX_INTERVAL_SHARE * interval_s) if interval_s else default_s}


def _validate_draft(type_: str, fields: dict[str, Any], errors: list[FieldError]) -> MonitorDraft:
    return cast("MonitorDraft", _validate(type_, fields, errors, DRAFTS[type_]))


def _validate(type_: str, fields: dict[str, Any], errors: list[FieldError], kind: Any) -> Any:
    """Validate a monitor's fields. Raises Invalid with every wrong field, by the check's names."""
    try:
        valid = structs.validate(fields, kind)
    except Invalid as error:
        raise Invalid([*field_names.with_check_fields(type_, error).fields, *errors]) from error
    if errors:
        raise Invalid(errors)
    return valid
