"""PATCH of a monitor: its whole definition afterwards, and the events that it causes. Pure: runs no statement."""

from typing import Any

import msgspec
from msgspec import UNSET

from app.errors import Invalid
from app.store.monitoring import config_secrets, optional_libraries, rows
from schema.events import EventKind
from schema.monitors import MonitorDraft, MonitorPatch
from schema.targets import Push, Target


def apply_patch(row: Any, patch: MonitorPatch) -> MonitorDraft:
    """The whole definition after the patch. Raises Invalid."""
    old = rows.draft_of(row)
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    if fields.pop("type", row["type"]) != row["type"]:
        raise Invalid.for_field("type", f"must be {row['type']!r}: a monitor's type can't change")
    if "config" in fields:
        optional_libraries.require_library(old.config)
        fields["config"] = _with_old_token(
            config_secrets.validate_replacement(old.config, fields["config"]), old.config
        )
    fields |= _with_one_schedule(old, fields)
    if "timeout" not in fields:
        fields["timeout"] = custom_timeout(row)
    return msgspec.structs.replace(old, **fields)


def custom_timeout(row: Any) -> float | None:
    """The timeout that a user set, seconds; None: the default, which depends on the interval."""
    is_default = row["timeout_ms"] == rows.default_timeout_ms(row["interval_s"])
    return None if is_default else row["timeout_ms"] / 1000


def event_kinds(row: Any, patch: MonitorPatch) -> list[EventKind]:
    """The events of a patch; none when it only repeats `active`."""
    fields = {name for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    kinds = [EventKind.MONITOR_UPDATED] if fields - {"active", "type"} else []
    if "active" in fields and bool(row["active"]) is not patch.active:
        kinds.append(EventKind.MONITOR_RESUMED if patch.active else EventKind.MONITOR_PAUSED)
    return kinds


def _with_one_schedule(old: MonitorDraft, fields: dict[str, Any]) -> dict[str, Any]:
    """An interval replaces a cron expression, and vice versa. Raises Invalid."""
    if fields.get("interval") and "cron" not in fields:
        return {"cron": None}
    if fields.get("cron") and "interval" not in fields:
        return {"interval": None}
    if old.cron and not fields.get("cron", old.cron) and "interval" not in fields:
        raise Invalid.for_field("interval", "is required if you remove `cron`; null checks on demand only")
    return {}


def _with_old_token(config: Target, old: Target) -> Target:
    """A push monitor keeps its token unless the patch has a new one."""
    if isinstance(config, Push) and isinstance(old, Push) and not config.token:
        return msgspec.structs.replace(config, token=old.token)
    return config
