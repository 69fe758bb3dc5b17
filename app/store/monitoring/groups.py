"""Members of groups: their statuses, who alerts for whom, and that no group contains itself."""

from collections.abc import Collection, Sequence

from app import db
from app.domain.alerting.reasons import Reason
from app.domain.monitoring import groups
from app.errors import Invalid
from app.store.monitoring.rows import config_of
from app.store.sql import list_parameter
from schema.deliveries import ReasonCode
from schema.errors import FieldError
from schema.status import Status
from schema.targets import Group, Target
from schema.targets.composed import GroupAlerts

UNKNOWN_MONITOR = "must be the id of a monitor that exists"
GROUPS_LOCK = 5_201_401  # any number of our own; held until the transaction ends
CYCLE = "would make the group a member of itself"

_ALERTING_GROUPS = (
    "SELECT id, name, type, config FROM monitors WHERE type = 'group' AND active"
    """ AND (config LIKE '%"alerts":"group"%' OR config LIKE '%"alerts":"members"%') ORDER BY name"""
)


async def member_statuses(monitor_ids: Sequence[str]) -> list[Status]:
    """The statuses of these monitors, except deleted and paused ones."""
    found = await db.rows(
        "SELECT s.status FROM monitors m JOIN series s ON s.monitor_id = m.id AND s.location = ''"
        " WHERE m.active AND m.id IN (SELECT value->>0 FROM {each:1})",
        list_parameter(monitor_ids),
    )
    return [Status(row["status"]) for row in found]


async def alerted_elsewhere(monitor_ids: Collection[str]) -> dict[str, Reason]:
    """Monitors that another one alerts for, their group or their members, by id."""
    found = await db.rows(_ALERTING_GROUPS)
    reasons: dict[str, Reason] = {}
    for row in found:
        config = config_of(row)
        if isinstance(config, Group) and config.alerts is GroupAlerts.GROUP:
            group_alerts = Reason(ReasonCode.GROUP_ALERTS, row["name"])
            reasons |= dict.fromkeys(set(config.members) & set(monitor_ids), group_alerts)
        elif row["id"] in monitor_ids:
            reasons[row["id"]] = Reason(ReasonCode.MEMBERS_ALERT)
    return reasons


async def validate_members(monitor_id: str, config: Target, old: Target | None = None) -> None:
    """Raise Invalid for new members that do not exist, and for a group that contains itself."""
    if not isinstance(config, Group):
        return
    before = old.members if isinstance(old, Group) else []
    unknown = await _unknown_ids(set(config.members) - set(before) - {monitor_id})
    errors = [_member_error(number, UNKNOWN_MONITOR) for number, id_ in enumerate(config.members) if id_ in unknown]
    cyclic = groups.cyclic_member(monitor_id, config.members, await _members_by_group())
    if cyclic is not None:
        errors.append(_member_error(config.members.index(cyclic), CYCLE))
    if errors:
        raise Invalid(errors)


def _member_error(number: int, message: str) -> FieldError:
    return FieldError(f"config.members.{number}", message)


async def _unknown_ids(ids: Collection[str]) -> set[str]:
    found = await db.rows("SELECT id FROM monitors WHERE id IN (SELECT value->>0 FROM {each:1})", list_parameter(ids))
    return set(ids) - {row["id"] for row in found}


async def _members_by_group() -> dict[str, list[str]]:
    """The members of every group. Changes wait for each other, so that two can't create a cycle together."""
    if not db.is_sqlite():
        await db.rows("SELECT pg_advisory_xact_lock(?1)", GROUPS_LOCK)
    found = await db.rows("SELECT id, type, config FROM monitors WHERE type = 'group'")
    configs = {row["id"]: config_of(row) for row in found}
    return {id_: config.members for id_, config in configs.items() if isinstance(config, Group)}
