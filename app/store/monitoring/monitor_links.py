"""Which channels a monitor notifies, and which tags it has.

Written as SQL: a join, batches over JSON arrays, and rows that are selected and inserted at once.
"""

from collections.abc import Iterable, Sequence

from app import db
from app.errors import require_known
from app.store import visibility
from app.store.sql import list_parameter
from app.store.tables.channels import MonitorChannelRow
from app.store.tables.tags import MonitorTagRow
from app.store.visibility import TagScope
from schema.tags import TagLabel

UNKNOWN_CHANNEL = "must be the id of a channel that exists"
UNKNOWN_TAG = "must be the id of a tag that exists"


async def channel_ids_by_monitor(monitor_ids: Iterable[str]) -> dict[str, list[str]]:
    """Channel ids by monitor; monitors without channels are absent."""
    found = await db.rows(
        "SELECT monitor_id, channel_id FROM monitor_channels WHERE monitor_id IN (SELECT value->>0 FROM {each:1})"
        " ORDER BY monitor_id, channel_id",
        list_parameter(monitor_ids),
    )
    channels: dict[str, list[str]] = {}
    for row in found:
        channels.setdefault(row["monitor_id"], []).append(row["channel_id"])
    return channels


async def link_default_channels(monitor_id: str) -> None:
    """Link a new monitor to the default channels."""
    await db.rows(
        "INSERT INTO monitor_channels (monitor_id, channel_id)"
        " SELECT CAST(?1 AS TEXT), id FROM channels WHERE is_default AND NOT is_temporary AND kind = 'channel'"
        f"{_unless_being_deleted()}",
        monitor_id,
    )


async def set_channels(monitor_id: str, channel_ids: Sequence[str]) -> None:
    """Link a monitor to exactly these channels. Raises Invalid for unknown ones."""
    found = await db.rows(
        "SELECT id FROM channels WHERE NOT is_temporary AND kind = 'channel' AND id IN (SELECT value->>0 FROM {each:1})"
        f"{_unless_being_deleted()}",
        list_parameter(channel_ids),
    )
    known = [row["id"] for row in found]
    require_known("notification_channel_ids", channel_ids, set(known), UNKNOWN_CHANNEL)
    await MonitorChannelRow.delete().where(MonitorChannelRow.monitor_id == monitor_id)
    if known:
        await MonitorChannelRow.insert(*(MonitorChannelRow(monitor_id=monitor_id, channel_id=one) for one in known))


def _unless_being_deleted() -> str:
    """A lock clause: wait for a transaction that is deleting such a channel, and leave it out then.

    In the order of ids, as claims lock channels, and before a link changes: the deletion removes links, too.
    """
    return "" if db.is_sqlite() else " ORDER BY id FOR SHARE"


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


async def set_tags(monitor_id: str, tag_ids: Sequence[str]) -> None:
    """Give a monitor exactly these tags. Raises Invalid for unknown ones."""
    await MonitorTagRow.delete().where(MonitorTagRow.monitor_id == monitor_id)
    inserted = await db.rows(
        "INSERT INTO monitor_tags (monitor_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
        monitor_id,
        list_parameter(tag_ids),
    )
    require_known("tag_ids", tag_ids, {row["tag_id"] for row in inserted}, UNKNOWN_TAG)
