"""Sight: which monitors and tags somebody sees. The one place that says it in SQL; every read of theirs asks it.

`seen_by` is a principal's `tags`: None sees everything, a set sees the monitors that bear one of them, and of all tags
those. It is part of the statement, so pages and totals are right.
"""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from app import db
from app.store.sql import listed
from schema.monitors import Monitor
from schema.targets import Group

Seeing = frozenset[str] | None


def argument(seen_by: Seeing) -> str | None:
    """What goes into the parameter of the conditions below."""
    return None if seen_by is None else listed(sorted(seen_by))


def of_tags(column: str, number: int) -> str:
    """A condition: the column is the id of a tag that is seen. ?number is `argument(seen_by)`."""
    chosen = f"SELECT value->>0 FROM {{each:{number}}}"
    return f"(CAST(?{number} AS TEXT) IS NULL OR {column} IN ({chosen}))"


def of_monitors(column: str, number: int) -> str:
    """A condition: the column is the id of a monitor that is seen. ?number is `argument(seen_by)`."""
    chosen = f"SELECT value->>0 FROM {{each:{number}}}"
    bearing = f"SELECT sighted.monitor_id FROM monitor_tags sighted WHERE sighted.tag_id IN ({chosen})"
    return f"(CAST(?{number} AS TEXT) IS NULL OR {column} IN ({bearing}))"


async def monitors(tags: frozenset[str]) -> frozenset[str]:
    """The ids of all monitors that are seen by these tags."""
    found = await db.rows(f"SELECT m.id FROM monitors m WHERE {of_monitors('m.id', 1)}", argument(tags))
    return frozenset(row["id"] for row in found)


async def narrowed(found: Sequence[Monitor], seen_by: Seeing) -> list[Monitor]:
    """The same monitors; of a group's members those that are seen."""
    groups = [one.config for one in found if isinstance(one.config, Group)]
    if seen_by is None or not groups:
        return list(found)
    seen = await _seen({member for group in groups for member in group.members}, seen_by)
    return [_with_members(one, seen) for one in found]


async def _seen(monitor_ids: Collection[str], seen_by: Seeing) -> set[str]:
    found = await db.rows(
        f"SELECT m.id FROM monitors m WHERE m.id IN (SELECT value->>0 FROM {{each:1}}) AND {of_monitors('m.id', 2)}",
        listed(monitor_ids),
        argument(seen_by),
    )
    return {row["id"] for row in found}


def _with_members(monitor: Monitor, seen: Collection[str]) -> Monitor:
    if not isinstance(monitor.config, Group):
        return monitor
    return replace(
        monitor, config=replace(monitor.config, members=[one for one in monitor.config.members if one in seen])
    )
