"""Sight: which monitors and tags somebody sees. The one place that says it in SQL; every read of theirs asks it.

`seen_by` is a principal's `tags`: None sees everything, a set sees the monitors that bear one of them, and of all tags
those. It is part of the statement, so pages and totals are right.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from app import db
from app.store.sql import list_parameter
from schema.monitors import Monitor
from schema.targets import Group

TagScope = frozenset[str] | None


def tags_parameter(visible_to: TagScope) -> str | None:
    """What goes into the parameter of the conditions below."""
    return None if visible_to is None else list_parameter(sorted(visible_to))


def visible_tags_sql(column: str, number: int) -> str:
    """A condition: the column is the id of a tag that is seen. ?number is `argument(seen_by)`."""
    chosen = f"SELECT value->>0 FROM {{each:{number}}}"
    return f"(CAST(?{number} AS TEXT) IS NULL OR {column} IN ({chosen}))"


def visible_monitors_sql(column: str, number: int) -> str:
    """A condition: the column is the id of a monitor that is seen. ?number is `argument(seen_by)`."""
    chosen = f"SELECT value->>0 FROM {{each:{number}}}"
    bearing = f"SELECT sighted.monitor_id FROM monitor_tags sighted WHERE sighted.tag_id IN ({chosen})"
    return f"(CAST(?{number} AS TEXT) IS NULL OR {column} IN ({bearing}))"


async def visible_monitor_ids(tags: frozenset[str]) -> frozenset[str]:
    """The ids of all monitors that are seen by these tags."""
    found = await db.rows(f"SELECT m.id FROM monitors m WHERE {visible_monitors_sql('m.id', 1)}", tags_parameter(tags))
    return frozenset(row["id"] for row in found)


async def with_visible_members(monitors: Sequence[Monitor], visible_to: TagScope) -> list[Monitor]:
    """The same monitors; of a group's members those that are seen."""
    groups = [one.config for one in monitors if isinstance(one.config, Group)]
    if visible_to is None or not groups:
        return list(monitors)
    seen = await _visible_among({member for group in groups for member in group.members}, visible_to)
    return [_with_members(one, seen) for one in monitors]


async def _visible_among(monitor_ids: Collection[str], visible_to: TagScope) -> set[str]:
    found = await db.rows(
        "SELECT m.id FROM monitors m WHERE m.id IN (SELECT value->>0 FROM {each:1})"
        f" AND {visible_monitors_sql('m.id', 2)}",
        list_parameter(monitor_ids),
        tags_parameter(visible_to),
    )
    return {row["id"] for row in found}


def _with_members(monitor: Monitor, seen: Collection[str]) -> Monitor:
    if not isinstance(monitor.config, Group):
        return monitor
    return replace(
        monitor, config=replace(monitor.config, members=[one for one in monitor.config.members if one in seen])
    )
