"""A group's status from its members', and cycles among groups. Pure."""

from collections.abc import Collection, Iterable, Mapping

from schema.status import Status
from schema.targets.composed import Group, GroupPolicy

COUNTED_AS_UP = (Status.UP, Status.DEGRADED, Status.PENDING)  # PENDING did not alert yet, so it counts as up


def required_members(group: Group, count: int) -> int:
    """How many of `count` members must be up."""
    if group.policy is GroupPolicy.ALL:
        return count
    return 1 if group.policy is GroupPolicy.ANY else min(group.at_least, count)


def group_status(group: Group, statuses: Collection[Status]) -> tuple[Status, str]:
    """(the group's status, its message). Members in maintenance are ignored.

    statuses  of the members that exist and are active
    """
    counted = [status for status in statuses if status is not Status.MAINTENANCE]
    if not counted:
        return Status.UNKNOWN, "no member is active"
    up, down = sum(status in COUNTED_AS_UP for status in counted), counted.count(Status.DOWN)
    required, message = required_members(group, len(counted)), f"{up} of {len(counted)} up"
    if up >= required:
        return (Status.DEGRADED, message) if down or Status.DEGRADED in counted else (Status.UP, message)
    if len(counted) - down >= required:
        return Status.UNKNOWN, f"{message}, {len(counted) - up - down} unknown"
    return Status.DOWN, f"{message}, {required} must be"


def cyclic_member(group_id: str, members: Iterable[str], groups: Mapping[str, Collection[str]]) -> str | None:
    """The member through which a group would contain itself; None when there is none.

    groups  id -> members of the other groups
    """
    for member in members:
        reached, queue = {member}, [member]
        while queue:
            new = set(groups.get(queue.pop(), ())) - reached
            reached |= new
            queue += new
        if group_id in reached:
            return member
    return None
