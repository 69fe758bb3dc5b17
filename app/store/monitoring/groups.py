"""Members of groups: their statuses, who alerts for whom, and that no group contains itself.

Written as SQL: joins, and batches over JSON arrays.
"""

from collections.abc import Collection, Sequence

from app import db
from app.domain.alerting.reasons import Reason
from app.domain.monitoring import groups
from app.errors import Invalid
from app.store.sql import list_parameter
from app.store.tables.monitors import GroupMemberRow
from schema.deliveries import ReasonCode
from schema.errors import FieldError
from schema.status import Status
from schema.targets import Group
from schema.targets.composed import GroupAlerts

UNKNOWN_MONITOR = "must be the id of a monitor that exists"
GROUPS_LOCK = 5_201_401  # any number of our own; held until the transaction ends
CYCLE = "would make the group a member of itself"

_ALERTING_GROUPS = (
    "SELECT m.monitor_id AS id, g.name, g.group_alerts FROM {each:1}"
    " JOIN group_members m ON m.monitor_id = each.value->>0"
    f" JOIN monitors g ON g.id = m.group_id WHERE g.active AND g.group_alerts = '{GroupAlerts.GROUP}'"
    " UNION ALL SELECT g.id, g.name, g.group_alerts FROM {each:1} JOIN monitors g ON g.id = each.value->>0"
    f" WHERE g.active AND g.group_alerts = '{GroupAlerts.MEMBERS}' ORDER BY 2"
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
    found = await db.rows(_ALERTING_GROUPS, list_parameter(monitor_ids))
    return {row["id"]: _reason(GroupAlerts(row["group_alerts"]), row["name"]) for row in found}


def _reason(alerts: GroupAlerts, group_name: str) -> Reason:
    if alerts is GroupAlerts.MEMBERS:
        return Reason(ReasonCode.MEMBERS_ALERT)
    return Reason(ReasonCode.GROUP_ALERTS, group_name)


async def set_members(group_id: str, config: Group) -> None:
    """Store exactly these members. Raises Invalid for unknown ones, and for a group that contains itself."""
    cyclic = groups.cyclic_member(group_id, config.members, await _members_by_group())
    unknown = set(config.members) - await _existing_ids(config.members)
    errors = [_member_error(number, UNKNOWN_MONITOR) for number, id_ in enumerate(config.members) if id_ in unknown]
    if cyclic is not None:
        errors.append(_member_error(config.members.index(cyclic), CYCLE))
    if errors:
        raise Invalid(errors)
    await GroupMemberRow.delete().where(GroupMemberRow.group_id == group_id)
    members = enumerate(dict.fromkeys(config.members))
    rows = [GroupMemberRow(group_id=group_id, monitor_id=id_, position=position) for position, id_ in members]
    if rows:
        await GroupMemberRow.insert(*rows)


def _member_error(number: int, message: str) -> FieldError:
    return FieldError(f"config.members.{number}", message)


async def _existing_ids(ids: Collection[str]) -> set[str]:
    """Those that exist; on PostgreSQL they can't be deleted before the transaction ends."""
    locked = "" if db.is_sqlite() else " FOR KEY SHARE"
    found = await db.rows(
        "SELECT id FROM monitors WHERE id IN (SELECT value->>0 FROM {each:1})" + locked, list_parameter(ids)
    )
    return {row["id"] for row in found}


async def _members_by_group() -> dict[str, list[str]]:
    """The members of every group. Changes wait for each other, so that two can't create a cycle together."""
    await db.advisory_lock(GROUPS_LOCK)
    members: dict[str, list[str]] = {}
    for row in await GroupMemberRow.select(GroupMemberRow.group_id, GroupMemberRow.monitor_id):
        members.setdefault(row["group_id"], []).append(row["monitor_id"])
    return members
