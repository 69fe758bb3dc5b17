"""The dependency graph of monitors: ancestors, cycles, common ancestors. Pure.

`parents` is always child -> parents, for all monitors that can be reached.
"""

from collections.abc import Iterable, Mapping, Sequence

Parents = Mapping[str, Sequence[str]]


def ancestors(monitor_id: str, parents: Parents) -> dict[str, int]:
    """All ancestors of a monitor, nearest first, each with its distance; never itself."""
    distances: dict[str, int] = {}
    level, distance = list(parents.get(monitor_id, ())), 1
    while level:
        new = [monitor for monitor in dict.fromkeys(level) if monitor not in distances and monitor != monitor_id]
        distances |= dict.fromkeys(new, distance)
        level, distance = [parent for monitor in new for parent in parents.get(monitor, ())], distance + 1
    return distances


def find_cycle(monitor_id: str, new_parents: Iterable[str], parents: Parents) -> list[str] | None:
    """The path from a monitor through one of its new parents back to itself; None when there is none.

    parents  of the other monitors
    """
    for parent in new_parents:
        if path := _shortest_path(parent, monitor_id, parents):
            return [monitor_id, *path]
    return None


def _shortest_path(start: str, end: str, parents: Parents) -> list[str] | None:
    """The shortest path up from one monitor to another, both included."""
    came_from: dict[str, str | None] = {start: None}
    queue = [start]
    for monitor in queue:
        if monitor == end:
            return _trace_path(end, came_from)
        new = [parent for parent in parents.get(monitor, ()) if parent not in came_from]
        came_from |= dict.fromkeys(new, monitor)
        queue += new
    return None


def _trace_path(end: str, came_from: Mapping[str, str | None]) -> list[str]:
    path, monitor = [end], came_from[end]
    while monitor is not None:
        path.append(monitor)
        monitor = came_from[monitor]
    return path[::-1]


def common_ancestor(monitor_ids: Iterable[str], parents: Parents) -> str | None:
    """The nearest ancestor of all these monitors, or one of them; None when there is none, or only one monitor."""
    reached = [{monitor: 0} | ancestors(monitor, parents) for monitor in dict.fromkeys(monitor_ids)]
    if len(reached) < 2:  # noqa: PLR2004  # one monitor shares nothing
        return None
    common = set.intersection(*(set(monitor) for monitor in reached))
    return min(common, key=lambda monitor: (max(distances[monitor] for distances in reached), monitor), default=None)
