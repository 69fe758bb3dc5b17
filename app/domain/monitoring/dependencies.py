"""What hangs on what: ancestors, nearest first; circles; what some monitors have in common. Pure.

Everywhere `parents` is child -> parents, of as many monitors as the question reaches.
"""

from collections.abc import Iterable, Mapping, Sequence

Parents = Mapping[str, Sequence[str]]


def ancestors(monitor_id: str, parents: Parents) -> dict[str, int]:
    """All that a monitor hangs on, nearest first, each with its distance; never itself."""
    found: dict[str, int] = {}
    ring, distance = list(parents.get(monitor_id, ())), 1
    while ring:
        fresh = [one for one in dict.fromkeys(ring) if one not in found and one != monitor_id]
        found |= dict.fromkeys(fresh, distance)
        ring, distance = [parent for one in fresh for parent in parents.get(one, ())], distance + 1
    return found


def find_cycle(monitor_id: str, wanted: Iterable[str], parents: Parents) -> list[str] | None:
    """The way from a monitor through one of the parents it shall have back to itself; None when there is none.

    parents  of the others, as they are
    """
    for parent in wanted:
        if back := _shortest_path(parent, monitor_id, parents):
            return [monitor_id, *back]
    return None


def _shortest_path(start: str, end: str, parents: Parents) -> list[str] | None:
    """The shortest way up from one monitor to another, both included."""
    came_from: dict[str, str | None] = {start: None}
    waiting = [start]
    for one in waiting:
        if one == end:
            return _trace_path(end, came_from)
        fresh = [parent for parent in parents.get(one, ()) if parent not in came_from]
        came_from |= dict.fromkeys(fresh, one)
        waiting += fresh
    return None


def _trace_path(end: str, came_from: Mapping[str, str | None]) -> list[str]:
    way, one = [end], came_from[end]
    while one is not None:
        way.append(one)
        one = came_from[one]
    return way[::-1]


def common_ancestor(monitor_ids: Iterable[str], parents: Parents) -> str | None:
    """The nearest monitor that all of these hang on, or are; None when there is none, or only one monitor."""
    reached = [{one: 0} | ancestors(one, parents) for one in dict.fromkeys(monitor_ids)]
    if len(reached) < 2:  # noqa: PLR2004  # one monitor has nothing in common with others
        return None
    common = set.intersection(*(set(one) for one in reached))
    return min(common, key=lambda one: (max(ring[one] for ring in reached), one), default=None)
