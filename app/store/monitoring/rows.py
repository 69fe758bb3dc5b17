"""Maps monitors to rows, and rows to monitors, snapshots and schedules. Pure: runs no statement."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import msgspec
import structlog
from msgspec import UNSET

from app import clock
from app.domain.parsing.hosts import with_wire_hosts
from app.domain.schedule import cron
from app.errors import Invalid
from app.security.secrets import sealing
from schema.errors import FieldError
from schema.jobs import MonitorSchedule
from schema.monitors import Monitor, MonitorDraft, Snapshot, UnreadableTarget
from schema.status import Status
from schema.tags import TagLabel
from schema.targets import TARGETS, Group, Push, Target
from schema.targets.composed import GroupAlerts, GroupPolicy

log = structlog.get_logger()

DEFAULT_TIMEOUT_S = 16.0  # long enough for a slow page, short enough that a retry still fits into the minute
DEFAULT_INTERVAL_S = 60
CRON_RETRY_S = 60  # between retries of a monitor that has no interval
TIMEOUT_SHARE = 0.8  # of a shorter interval: the rest is for storing the result
TOKEN_BYTES = 24  # 192 bits can't be guessed


class _StoredGroup(msgspec.Struct, frozen=True):
    """What `config` holds of a group. Its members are in their own table, `alerts` in its own column."""

    policy: GroupPolicy
    at_least: int


def config_of(row: Mapping[str, Any]) -> Target:
    """The row's target, its secrets decrypted.

    row  with `type` and `config`; for groups also with `group_alerts`, and with `members` as JSON text
    """
    if row["type"] == "group":
        return _group_of(row)
    target: Target = sealing.decrypt_secrets(row["config"], TARGETS[row["type"]])
    return target


def _group_of(row: Mapping[str, Any]) -> Group:
    """The group of the row. It has no members once all of them were deleted."""
    stored = msgspec.json.decode(row["config"], type=_StoredGroup)
    members = msgspec.json.decode(row["members"] or "[]", type=list[str])
    alerts = GroupAlerts(row["group_alerts"])
    return Group(members=members, policy=stored.policy, at_least=stored.at_least, alerts=alerts)


def _encoded_config(target: Target) -> str:
    if isinstance(target, Group):
        return msgspec.json.encode(_StoredGroup(target.policy, target.at_least)).decode()
    return sealing.encrypt_secrets(target)


def type_of(target: Target | UnreadableTarget) -> str:
    """The name of a target's type, as in JSON."""
    return target.type if isinstance(target, UnreadableTarget) else str(target.__struct_config__.tag)


def push_token_hash(token: str) -> str:
    """The hash that a push token is found by: SHA-256, hex."""
    return sha256(token.encode()).hexdigest()


def new_push_token() -> str:
    """A random push token. It never starts with `-`, since a command would take it for an option."""
    while (token := token_urlsafe(TOKEN_BYTES)).startswith("-"):
        pass
    return token


def ensure_push_token(target: Target) -> Target:
    """The target, with a new token if it is a push target without one."""
    if isinstance(target, Push) and not target.token:
        return msgspec.structs.replace(target, token=new_push_token())
    return target


def push_key_of(target: Target) -> str | None:
    """The hash of a push target's token; None for other types."""
    return push_token_hash(target.token) if isinstance(target, Push) else None


def default_timeout_ms(interval_s: int) -> int:
    """The timeout of a check when the user sets none, milliseconds."""
    share_s = TIMEOUT_SHARE * interval_s if interval_s else DEFAULT_TIMEOUT_S
    return round(min(DEFAULT_TIMEOUT_S, share_s) * 1000)


def interval_s_of(draft: MonitorDraft) -> int:
    """Seconds between checks; 0: by cron, or on demand."""
    if draft.interval is UNSET:
        return 0 if draft.cron else DEFAULT_INTERVAL_S
    return draft.interval or 0


def timeout_ms_of(draft: MonitorDraft) -> int:
    """The draft's timeout, or the default one, milliseconds."""
    return default_timeout_ms(interval_s_of(draft)) if draft.timeout is None else round(draft.timeout * 1000)


def _schedule_errors(draft: MonitorDraft) -> list[FieldError]:
    """The errors in a definition's schedule."""
    interval_s, errors = interval_s_of(draft), []
    if interval_s and draft.timeout is not None and draft.timeout > interval_s:
        errors.append(FieldError("timeout", f"must be at most the interval, {interval_s} s"))
    if draft.cron and interval_s:
        errors.append(FieldError("cron", "can't be combined with an interval; leave `interval` out, or send null"))
    cron_error = cron.cron_error(draft.cron or "* * * * *", draft.timezone, clock.now_ms())
    return errors if cron_error is None else [*errors, FieldError(*cron_error)]


def columns_of(draft: MonitorDraft) -> dict[str, Any]:
    """A whole definition as columns, secrets encrypted. Raises Invalid."""
    if errors := _schedule_errors(draft):
        raise Invalid(errors)
    return {
        "name": draft.name,
        "type": type_of(draft.config),
        "description": draft.description,
        "active": draft.active,
        "interval_s": interval_s_of(draft),
        "cron": draft.cron or "",
        "timezone": draft.timezone,
        "timeout_ms": timeout_ms_of(draft),
        "max_retries": draft.max_retries,
        "retry_interval_s": draft.retry_interval,
        "resend_interval": draft.resend_interval,
        "upside_down": draft.upside_down,
        "config": _encoded_config(draft.config),
        "group_alerts": str(draft.config.alerts) if isinstance(draft.config, Group) else None,
        "escalation_id": draft.escalation_id,
        "push_key": push_key_of(draft.config),
    }


def draft_of(row: Mapping[str, Any]) -> MonitorDraft:
    """A row's definition, its secrets decrypted: what a patch is applied to."""
    return MonitorDraft(
        name=row["name"],
        config=config_of(row),
        description=row["description"],
        active=bool(row["active"]),
        interval=row["interval_s"] or None,
        cron=row["cron"] or None,
        timezone=row["timezone"],
        timeout=row["timeout_ms"] / 1000,
        max_retries=row["max_retries"],
        retry_interval=row["retry_interval_s"],
        resend_interval=row["resend_interval"],
        upside_down=bool(row["upside_down"]),
        escalation_id=row["escalation_id"],
    )


def monitor_of(
    row: Mapping[str, Any], channel_ids: Sequence[str], labels: Sequence[TagLabel], parent_ids: Sequence[str]
) -> Monitor:
    """A monitor for the API: secrets masked.

    row    a monitor's columns joined with `status` and `status_since_ms` of its series
    """
    return Monitor(
        id=row["id"],
        name=row["name"],
        type=row["type"],
        config=sealing.mask_secrets(config_of(row)),
        description=row["description"],
        active=bool(row["active"]),
        interval=row["interval_s"] or None,
        cron=row["cron"] or None,
        timezone=row["timezone"],
        timeout=row["timeout_ms"] / 1000,
        max_retries=row["max_retries"],
        retry_interval=row["retry_interval_s"],
        resend_interval=row["resend_interval"],
        upside_down=bool(row["upside_down"]),
        notification_channel_ids=list(channel_ids),
        tags=list(labels),
        parent_ids=list(parent_ids),
        escalation_id=row["escalation_id"],
        status=Status(row["status"]),
        status_since=clock.instant_or_none(row["status_since_ms"]),
        version=row["version"],
        created_at=clock.instant(row["created_ms"]),
        updated_at=clock.instant(row["updated_ms"]),
    )


def _target_of(row: Mapping[str, Any]) -> Target | UnreadableTarget:
    """The row's target. An unreadable one must not fail the other monitors of the same query."""
    try:
        return with_wire_hosts(config_of(row))
    except (sealing.DecryptionFailed, msgspec.MsgspecError, KeyError, ValueError) as error:
        log.warning("monitor.config_unreadable", monitor_id=row["id"], error=type(error).__name__)
        return UnreadableTarget(row["type"])


def snapshot_of(row: Mapping[str, Any]) -> Snapshot:
    """All that a worker needs, secrets decrypted. `row` is a monitor's joined with its series' `no`."""
    return Snapshot(
        series=row["no"],
        version=row["version"],
        monitor_id=row["id"],
        name=row["name"],
        target=_target_of(row),
        interval_ms=row["interval_s"] * 1000,
        timeout_ms=row["timeout_ms"],
        retry_ms=(row["retry_interval_s"] or row["interval_s"] or CRON_RETRY_S) * 1000,
        max_retries=row["max_retries"],
        resend_interval=row["resend_interval"],
        upside_down=bool(row["upside_down"]),
        created_ms=row["updated_ms"],
        cron=row["cron"],
        timezone=row["timezone"],
    )


def schedule_of(row: Mapping[str, Any]) -> MonitorSchedule:
    """The schedule of the row's series."""
    interval_ms = row["interval_s"] * 1000
    return MonitorSchedule(row["no"], interval_ms, row["timeout_ms"], row["version"], row["cron"], row["timezone"])
