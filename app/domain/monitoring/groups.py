"""What the members of a group make of it, and which groups would hold themselves. Pure."""

from collections.abc import Collection, Iterable, Mapping

from schema.status import Status
from schema.targets.composed import Group, GroupPolicy

COUNTED_AS_UP = (Status.UP, Status.DEGRADED, Status.PENDING)  # of the pending nobody was told: they count as up


def required_members(group: Group, count: int) -> int:
    """How many of `count` members must be up."""
    if group.policy is GroupPolicy.ALL:
        return count
    return 1 if group.policy is GroupPolicy.ANY else min(group.at_least, count)


def group_status(group: Group, statuses: Collection[Status]) -> tuple[Status, str]:
    """The group's status and the words for it. Members in maintenance are left out, and so are those not given.

    statuses  of the members that exist and are watched
    """
    seen = [status for status in statuses if status is not Status.MAINTENANCE]
    if not seen:
        return Status.UNKNOWN, "no member is watched"
    up, down = sum(status in COUNTED_AS_UP for status in seen), seen.count(Status.DOWN)
    must, words = required_members(group, len(seen)), f"{up} of {len(seen)} up"
    if up >= must:
        return (Status.DEGRADED, words) if down or Status.DEGRADED in seen else (Status.UP, words)
    if len(seen) - down >= must:
        return Status.UNKNOWN, f"{words}, {len(seen) - up - down} unknown"
    return Status.DOWN, f"{words}, {must} must be"


def cyclic_member(group_id: str, members: Iterable[str], groups: Mapping[str, Collection[str]]) -> str | None:
    """The member through which a group would hold itself; None when there is none.

    groups  id -> members of the other groups
    """
    for member in members:
        reached, waiting = {member}, [member]
        while waiting:
            found = set(groups.get(waiting.pop(), ())) - reached
            reached |= found
            waiting += found
        if group_id in reached:
            return member
    return None
