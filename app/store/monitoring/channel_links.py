"""Which channels a monitor notifies.

Written as SQL: batches over JSON arrays, and rows that are selected and inserted at once.
"""

from collections.abc import Iterable, Sequence

from app import db
from app.errors import Invalid
from app.store.sql import list_parameter
from app.store.tables.channels import MonitorChannelRow
from schema.errors import FieldError

UNKNOWN_CHANNEL = "must be the id of a channel that exists"


async def ids_by_monitor(monitor_ids: Iterable[str]) -> dict[str, list[str]]:
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


async def link_defaults(monitor_id: str) -> None:
    """Link a new monitor to the default channels."""
    await db.rows(
        "INSERT INTO monitor_channels (monitor_id, channel_id)"
        " SELECT CAST(?1 AS TEXT), id FROM channels WHERE is_default AND NOT is_temporary AND kind = 'channel'",
        monitor_id,
    )


async def set_for_monitor(monitor_id: str, channel_ids: Sequence[str]) -> None:
    """Link a monitor to exactly these channels. Raises Invalid for unknown ones."""
    await MonitorChannelRow.delete().where(MonitorChannelRow.monitor_id == monitor_id)
    inserted = await db.rows(
        "INSERT INTO monitor_channels (monitor_id, channel_id) SELECT CAST(?1 AS TEXT), id FROM channels"
        " WHERE NOT is_temporary AND kind = 'channel' AND id IN (SELECT value->>0 FROM {each:2}) RETURNING channel_id",
        monitor_id,
        list_parameter(channel_ids),
    )
    known = {row["channel_id"] for row in inserted}
    unknown = [number for number, id_ in enumerate(channel_ids) if id_ not in known]
    if unknown:
        raise Invalid([FieldError(f"notification_channel_ids.{number}", UNKNOWN_CHANNEL) for number in unknown])
