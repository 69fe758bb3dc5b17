"""Which monitors and tags a caller may see, as SQL conditions that every read of them includes.

`visible_to` is a principal's `tags`: with None everything is visible; with a set, the monitors that have one of these
tags, and these tags. The condition is part of the statement, so pages and totals are right.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from app import db
from app.store.sql import list_parameter
from schema.monitors import Monitor
from schema.targets import Group

TagScope = frozenset[str] | None


def tags_parameter(visible_to: TagScope) -> str | None:
    """The parameter of the conditions below."""
    return None if visible_to is None else list_parameter(sorted(visible_to))


def visible_tags_sql(column: str, number: int) -> str:
    """SQL condition: the column is the id of a visible tag. ?number is `tags_parameter(visible_to)`."""
    tags = f"SELECT value->>0 FROM {{each:{number}}}"
    return f"(CAST(?{number} AS TEXT) IS NULL OR {column} IN ({tags}))"


def visible_monitors_sql(column: str, number: int) -> str:
    """SQL condition: the column is the id of a visible monitor. ?number is `tags_parameter(visible_to)`."""
    tags = f"SELECT value->>0 FROM {{each:{number}}}"
    tagged = f"SELECT sighted.monitor_id FROM monitor_tags sighted WHERE sighted.tag_id IN ({tags})"
    return f"(CAST(?{number} AS TEXT) IS NULL OR {column} IN ({tagged}))"


async def visible_monitor_ids(tags: frozenset[str]) -> frozenset[str]:
    """Ids of all monitors that are visible by these tags."""
    found = await db.rows(f"SELECT m.id FROM monitors m WHERE {visible_monitors_sql('m.id', 1)}", tags_parameter(tags))
    return frozenset(row["id"] for row in found)


async def with_visible_members(monitors: Sequence[Monitor], visible_to: frozenset[str]) -> list[Monitor]:
    """The same monitors, with only visible members in groups."""
    groups = [one.config for one in monitors if isinstance(one.config, Group)]
    if not groups:
        return list(monitors)
    visible = await _visible_among({member for group in groups for member in group.members}, visible_to)
    return [_with_members(one, visible) for one in monitors]


async def _visible_among(monitor_ids: Collection[str], visible_to: TagScope) -> set[str]:
    found = await db.rows(
        "SELECT m.id FROM monitors m WHERE m.id IN (SELECT value->>0 FROM {each:1})"
        f" AND {visible_monitors_sql('m.id', 2)}",
        list_parameter(monitor_ids),
        tags_parameter(visible_to),
    )
    return {row["id"] for row in found}


def _with_members(monitor: Monitor, visible: Collection[str]) -> Monitor:
    if not isinstance(monitor.config, Group):
        return monitor
    return replace(
        monitor, config=replace(monitor.config, members=[one for one in monitor.config.members if one in visible])
    )
