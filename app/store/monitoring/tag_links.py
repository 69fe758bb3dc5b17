"""Which monitors have which tags.

Written as SQL: a join, and batches over JSON arrays.
"""

from collections.abc import Iterable, Sequence

from app import db
from app.errors import Invalid
from app.store import visibility
from app.store.sql import list_parameter
from app.store.tables.tags import MonitorTagRow
from app.store.visibility import TagScope
from schema.errors import FieldError
from schema.tags import TagLabel

UNKNOWN_TAG = "must be the id of a tag that exists"


async def labels_by_monitor(monitor_ids: Iterable[str], visible_to: TagScope = None) -> dict[str, list[TagLabel]]:
    """Tags by monitor, sorted by name; monitors without tags are absent."""
    found = await db.rows(
        "SELECT b.monitor_id, t.id, t.name, t.color FROM monitor_tags b JOIN tags t ON t.id = b.tag_id"
        f" WHERE b.monitor_id IN (SELECT value->>0 FROM {{each:1}}) AND {visibility.visible_tags_sql('t.id', 2)}"
        " ORDER BY b.monitor_id, t.name_key",
        list_parameter(monitor_ids),
        visibility.tags_parameter(visible_to),
    )
    labels: dict[str, list[TagLabel]] = {}
    for row in found:
        labels.setdefault(row["monitor_id"], []).append(TagLabel(id=row["id"], name=row["name"], color=row["color"]))
    return labels


async def set_for_monitor(monitor_id: str, tag_ids: Sequence[str]) -> None:
    """Give a monitor exactly these tags. Raises Invalid for unknown ones."""
    await MonitorTagRow.delete().where(MonitorTagRow.monitor_id == monitor_id)
    inserted = await db.rows(
        "INSERT INTO monitor_tags (monitor_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
        monitor_id,
        list_parameter(tag_ids),
    )
    known = {row["tag_id"] for row in inserted}
    unknown = [number for number, id_ in enumerate(tag_ids) if id_ not in known]
    if unknown:
        raise Invalid([FieldError(f"tag_ids.{number}", UNKNOWN_TAG) for number in unknown])
