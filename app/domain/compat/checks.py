"""Checks are monitors in document 002's words: translated here, both ways. Pure."""

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

MAX_INTERVAL_SHARE = 0.8  # of a short interval a check may take, as of any monitor
NEEDS_HISTORY = frozenset({"push", "group", "manual"})  # their verdict is made of what others report
BAD_SCHEDULE = 'must be "every N seconds" (minutes, hours, days), from 5 seconds to 31 days, or five fields of cron'


@contextmanager
def name_check_fields(plugin_type: str) -> Iterator[None]:
    """Refusals of a monitor's fields name the check's fields instead."""
    try:
        yield
    except Invalid as refused:
        raise field_names.with_check_fields(plugins.monitor_type(plugin_type), refused) from refused


def check_from_monitor(monitor: Monitor, last_run: datetime | None) -> Check:
    """A monitor as a check."""
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
    """When it is due, in words; None when it runs on demand."""
    return schedules.format_interval(monitor.interval) if monitor.interval else monitor.cron


def monitor_draft(check: CheckDraft) -> MonitorDraft:
    """The monitor that a new check is. Raises Invalid with every wrong field."""
    type_ = plugins.monitor_type(check.plugin_type)
    config, timeout_s = field_names.to_monitor_config(type_, check.config)
    when, wrong = _parse_schedule(check.schedule)
    wire = {"type": type_, "name": check.name, "config": config, "active": check.enabled, **when}
    wire |= _timeout_field(type_, timeout_s, when["interval"])
    return _validate_draft(type_, wire, wrong)


def monitor_patch(monitor: Monitor, check: CheckPatch) -> MonitorPatch:
    """What a change of the check changes of its monitor. Raises Invalid with every wrong field."""
    when, wrong = ({}, []) if check.schedule is UNSET else _parse_schedule(check.schedule)
    plain = {"name": check.name, "active": check.enabled}
    wire: dict[str, Any] = {name: value for name, value in plain.items() if value is not UNSET} | when
    if check.plugin_type is not UNSET:
        wire["type"] = plugins.monitor_type(check.plugin_type)
    interval_s = when.get("interval", monitor.interval)
    if check.config is not UNSET:
        wire["config"], timeout_s = field_names.to_monitor_config(monitor.type, check.config)
        wire |= _timeout_field(monitor.type, timeout_s, interval_s)
    elif when and _timeout_field(monitor.type, UNSET, monitor.interval) == {"timeout": monitor.timeout}:
        wire |= _timeout_field(monitor.type, UNSET, interval_s)  # nobody chose it, so it follows the interval
    return cast("MonitorPatch", _validate(monitor.type, wire, wrong, MonitorPatch))


def ad_hoc_target(check: AdHocCheck) -> tuple[Target, float]:
    """What an ad-hoc check looks at, and how many seconds it may take. Raises Invalid with every wrong field."""
    type_ = plugins.monitor_type(check.plugin_type)
    if type_ in NEEDS_HISTORY:
        raise Invalid.for_field(
            "plugin_type", f"{type_} can't be run by itself: it is judged by what was reported to it"
        )
    config, timeout_s = field_names.to_monitor_config(type_, check.config)
    wire = {"type": type_, "name": type_, "config": config, "interval": None, **_timeout_field(type_, timeout_s, None)}
    draft = _validate_draft(type_, wire, [])
    return draft.config, draft.timeout or plugins.DEFAULT_TIMEOUT_S


def _parse_schedule(schedule: str | None) -> tuple[dict[str, Any], list[FieldError]]:
    """A schedule as a monitor's fields, and what is wrong with it."""
    if schedule is None:
        return {"interval": None, "cron": None}, []
    if (interval_s := schedules.parse_interval(schedule)) is not None:
        return {"interval": interval_s, "cron": None}, []
    if len(schedule.split()) == schedules.CRON_FIELDS and not schedule.lower().startswith("every"):
        return {"interval": None, "cron": schedule}, []
    return {"interval": None, "cron": None}, [FieldError("schedule", BAD_SCHEDULE)]


def _timeout_field(type_: str, asked_s: Any, interval_s: int | None) -> dict[str, Any]:
    """The timeout that was asked for, or the usual one of the type; neither for a type that has none of its own."""
    if asked_s is not UNSET:
        return {"timeout": asked_s}
    if type_ not in plugins.TIMEOUTS_S:
        return {}
    usual_s = plugins.TIMEOUTS_S[type_]
    return {"timeout": min(usual_s, MAX_INTERVAL_SHARE * interval_s) if interval_s else usual_s}


def _validate_draft(type_: str, wire: dict[str, Any], wrong: list[FieldError]) -> MonitorDraft:
    return cast("MonitorDraft", _validate(type_, wire, wrong, DRAFTS[type_]))


def _validate(type_: str, wire: dict[str, Any], wrong: list[FieldError], kind: Any) -> Any:
    """The fields as a monitor's. Raises Invalid with every field that is wrong, in the check's words."""
    try:
        found = structs.validate(wire, kind)
    except Invalid as refused:
        raise Invalid([*field_names.with_check_fields(type_, refused).fields, *wrong]) from refused
    if wrong:
        raise Invalid(wrong)
    return found
