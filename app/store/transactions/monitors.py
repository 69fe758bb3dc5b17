"""Monitors: create, read, update, delete. A change, its schedule period and its events are one transaction.

Uses no Redis: afterwards the caller puts `MonitorChange.schedules` into the due set and publishes
`MonitorChange.events`. Written as SQL: joins, and locks.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import clock, db
from app.domain.history.completeness import SchedulePeriod
from app.domain.schedule.slots import is_scheduled
from app.errors import Conflict, NoSuch
from app.store import visibility
from app.store.alerting import expiry_notices, monitor_alarms, outbox
from app.store.incidents import escalation_policies, incident_lifecycle, incidents
from app.store.listing import Listing, ListQuery
from app.store.monitoring import (
    config_secrets,
    dependencies,
    groups,
    monitor_links,
    optional_libraries,
    proxies,
    rows,
    series,
    tags,
)
from app.store.monitoring.patch import apply_patch, custom_timeout, event_kinds
from app.store.monitoring.series import SELECT_MONITORS, find_by_push_token, list_schedules, list_snapshots
from app.store.name_search import matches_sql, matching_ids
from app.store.tables.monitors import MonitorRow
from app.store.versions import ExpectedVersion, check_version
from app.store.visibility import TagScope
from schema.events import Event, EventKind
from schema.field_types import NAME_LIMIT
from schema.jobs import MonitorSchedule
from schema.monitors import Monitor, MonitorDraft, MonitorPatch
from schema.status import Status
from schema.targets import Group, Push, Target
from schema.targets.composed import ManualStatusUpdate

__all__ = [
    "SORTS",
    "MonitorChange",
    "MonitorQuery",
    "clone",
    "create",
    "delete",
    "find_by_push_token",
    "get",
    "get_push_token",
    "list_page",
    "list_schedules",
    "list_snapshots",
    "reset_history",
    "rotate_push_token",
    "set_active",
    "set_manual_status",
    "update",
    "update_links",
]

SORTS = {"name": "lower(m.name)", "created_at": "m.created_ms", "updated_at": "m.updated_ms", "status": "s.status"}
COPY_SUFFIX = " (copy)"  # added to the name of a copy
HISTORY_RESET = "The monitor's history was reset."

_FILTERS = (
    " WHERE s.location = ''"
    f" AND {matches_sql('m.id', 1)}"
    " AND (CAST(?2 AS TEXT) IS NULL OR m.type = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS BOOLEAN) IS NULL OR m.active = CAST(?3 AS BOOLEAN))"
    " AND (CAST(?4 AS SMALLINT) IS NULL OR s.status = CAST(?4 AS SMALLINT))"
    " AND (CAST(?5 AS TEXT) IS NULL OR m.id IN (SELECT b.monitor_id FROM monitor_tags b JOIN tags t ON t.id = b.tag_id"
    f" WHERE (t.id = CAST(?5 AS TEXT) OR t.name_key = CAST(?5 AS TEXT)) AND {visibility.visible_tags_sql('t.id', 6)}))"
    f" AND {visibility.visible_monitors_sql('m.id', 6)}"
)
_LISTING = Listing(
    select=SELECT_MONITORS,
    count="SELECT count(*) AS n FROM monitors m JOIN series s ON s.monitor_id = m.id",
    filters=_FILTERS,
    sorts=SORTS,
    key="m.id",
)


class MonitorQuery(ListQuery, frozen=True, kw_only=True):
    """Which monitors to list, in which order.

    q           part of the name, ignoring case
    tag         id or name of a tag that they have
    sort        one of `SORTS`
    visible_to  as in `app.store.visibility`
    """

    q: str | None = None
    type: str | None = None
    active: bool | None = None
    status: Status | None = None
    tag: str | None = None
    visible_to: TagScope = None


class MonitorChange(Struct, frozen=True, kw_only=True):
    """The result of a change.

    schedules    schedules to put into the due set
    unscheduled  series to remove from the due set
    deliveries   channel id -> ids of deliveries to send
    """

    monitor: Monitor
    events: list[Event]
    schedules: list[MonitorSchedule]
    unscheduled: list[int]
    deliveries: dict[str, list[str]] = {}


async def create(draft: MonitorDraft) -> MonitorChange:
    """Store a new monitor; returns its push token unmasked. Raises Invalid, Conflict (the token is used already)."""
    now, id_ = clock.now_ms(), str(uuid4())
    optional_libraries.require_library(draft.config)
    target = rows.ensure_push_token(config_secrets.validate_new(draft.config))
    columns = rows.columns_of(msgspec.structs.replace(draft, config=target))
    async with db.transaction():
        await _check_references(id_, columns)
        await MonitorRow.insert(MonitorRow(id=id_, created_ms=now, updated_ms=now, **columns))
        await proxies.set_for_monitor(id_, target)
        if isinstance(target, Group):
            await groups.set_members(id_, target)
        await series.start_period([await series.create(id_)], series.period_of(columns, now))
        if draft.notification_channel_ids is None:
            await monitor_links.link_default_channels(id_)
        else:
            await monitor_links.set_channels(id_, draft.notification_channel_ids)
        await monitor_links.set_tags(id_, draft.tag_ids)
        await dependencies.set_parents(id_, draft.parent_ids)
        return _with_plain_token(await _record_change(id_, now, [EventKind.MONITOR_CREATED]), target)


async def get(monitor_id: str, visible_to: TagScope = None) -> Monitor:
    """One monitor. Raises NoSuch, also when it is not visible."""
    (monitor,) = await _monitors_of([await _row(monitor_id, visible_to=visible_to)], visible_to)
    return monitor


async def update(monitor_id: str, patch: MonitorPatch, *, version: ExpectedVersion = None) -> MonitorChange:
    """Apply a patch. Raises NoSuch, Stale, Invalid, Conflict."""
    now = clock.now_ms()
    async with db.transaction():
        row = await _row(monitor_id, lock=True)
        check_version("monitor", row["version"], version)
        return await _apply_patch(row, patch, now)


async def set_active(monitor_id: str, active: bool) -> MonitorChange:  # noqa: FBT001  # reads as the state to set
    """Pause or resume; changes nothing when the monitor is paused or active already. Raises NoSuch."""
    return await update(monitor_id, MonitorPatch(active=active))


async def set_manual_status(monitor_id: str, state: ManualStatusUpdate) -> MonitorChange:
    """Set the status of a manual monitor. Raises NoSuch, Conflict for a monitor of another type."""
    row = await _row(monitor_id)
    if row["type"] != "manual":
        raise Conflict(f"Only monitors of type manual have a status that you set; this one has the type {row['type']}.")
    return await update(monitor_id, MonitorPatch(config=msgspec.to_builtins(state)))


async def delete(monitor_id: str, *, version: ExpectedVersion = None) -> MonitorChange:
    """Delete a monitor and its links; housekeeping deletes its history later. Raises NoSuch, Stale."""
    now = clock.now_ms()
    async with db.transaction():
        check_version("monitor", (await _row(monitor_id, lock=True))["version"], version)
        change = await _record_change(monitor_id, now, [EventKind.MONITOR_DELETED])
        numbers = await series.list_numbers(monitor_id)
        await dependencies.release_suppressed([monitor_id], now)
        await incident_lifecycle.keep_monitor_name(change.monitor)
        await MonitorRow.delete().where(MonitorRow.id == monitor_id)
        await series.mark_deleted(monitor_id, now)
        await series.start_period(numbers, SchedulePeriod(now, 0))
    return msgspec.structs.replace(change, schedules=[], unscheduled=numbers)


async def update_links(
    monitor_id: str,
    *,
    tags: Sequence[str] = (),
    without_tags: Sequence[str] = (),
    channels: Sequence[str] = (),
    without_channels: Sequence[str] = (),
) -> MonitorChange:
    """Add and remove tags and channels by id; the others stay. Raises NoSuch, Invalid."""
    now = clock.now_ms()
    async with db.transaction():
        row = await _row(monitor_id, lock=True)
        (monitor,) = await _monitors_of([row])
        old_tags, old_channels = [one.id for one in monitor.tags], monitor.notification_channel_ids
        new_tags = _merge_ids(old_tags, tags, without_tags)
        new_channels = _merge_ids(old_channels, channels, without_channels)
        patch = MonitorPatch(
            tag_ids=UNSET if new_tags == old_tags else new_tags,
            notification_channel_ids=UNSET if new_channels == old_channels else new_channels,
        )
        return await _apply_patch(row, patch, now)


async def clone(monitor_id: str, name: str | None = None) -> MonitorChange:
    """Create a copy of a monitor with all its links; a push monitor's copy gets a new token.

    name    None for the original's with " (copy)" added
    raises  NoSuch, Invalid for a stored definition that today's rules refuse
    """
    row = await _row(monitor_id)
    (original,) = await _monitors_of([row])
    draft = rows.draft_of(row)
    config = draft.config
    return await create(
        msgspec.structs.replace(
            draft,
            name=name or f"{draft.name[: NAME_LIMIT - len(COPY_SUFFIX)]}{COPY_SUFFIX}",
            config=msgspec.structs.replace(config, token="") if isinstance(config, Push) else config,
            timeout=custom_timeout(row),
            notification_channel_ids=original.notification_channel_ids,
            tag_ids=[one.id for one in original.tags],
            parent_ids=original.parent_ids,
        )
    )


async def reset_history(monitor_id: str, *, version: ExpectedVersion = None) -> MonitorChange:
    """Restart a monitor's history; housekeeping deletes the old one.

    Its incidents stay; an open one is resolved. Raises NoSuch, Stale.
    """
    now = clock.now_ms()
    async with db.transaction():
        row = await _row(monitor_id, lock=True)
        check_version("monitor", row["version"], version)
        (monitor,) = await _monitors_of([row])
        closed = await incident_lifecycle.close_without_recovery(monitor, EventKind.MONITOR_UPDATED, HISTORY_RESET, now)
        closed += await monitor_alarms.close_conditions(monitor, EventKind.MONITOR_UPDATED, now)
        numbers = await series.list_numbers(monitor_id)
        await dependencies.release_suppressed([monitor_id], now)
        await series.start_period(numbers, SchedulePeriod(now, 0))
        await series.start_period([await series.restart_history(monitor_id, now)], series.period_of(row, now))
        await expiry_notices.mark_series([monitor_id])
        await MonitorRow.update({"version": row["version"] + 1, "updated_ms": now}).where(MonitorRow.id == monitor_id)
        change = await _record_change(monitor_id, now, [EventKind.MONITOR_UPDATED], closed)
    return msgspec.structs.replace(change, unscheduled=[*change.unscheduled, *numbers])


async def list_page(query: MonitorQuery) -> tuple[list[Monitor], int]:
    """One page of monitors, and the total count; the number of queries does not depend on the page size."""
    tag = query.tag and tags.name_key(query.tag)
    filters = (
        await matching_ids(query.q, MonitorRow.id, MonitorRow.name),
        query.type,
        query.active,
        query.status,
        tag,
        visibility.tags_parameter(query.visible_to),
    )
    found, total = await _LISTING.read(query, filters)
    return await _monitors_of(found, query.visible_to), total


async def get_push_token(monitor_id: str) -> str:
    """A push monitor's token, unmasked. Raises NoSuch, Conflict for a monitor of another type."""
    return _push_target_of(await _row(monitor_id)).token


async def rotate_push_token(monitor_id: str, *, version: ExpectedVersion = None) -> MonitorChange:
    """Replace a push monitor's token; returns the new one unmasked. Raises NoSuch, Stale, Conflict."""
    now = clock.now_ms()
    async with db.transaction():
        row = await _row(monitor_id, lock=True)
        check_version("monitor", row["version"], version)
        target = msgspec.structs.replace(_push_target_of(row), token=rows.new_push_token())
        change = await _apply_patch(row, MonitorPatch(config=msgspec.to_builtins(target)), now)
        return _with_plain_token(change, target)


async def _monitors_of(found: Sequence[Any], visible_to: TagScope = None) -> list[Monitor]:
    """Monitors as the API returns them, with only visible tags, parents and members."""
    ids = [row["id"] for row in found]
    channels = await monitor_links.channel_ids_by_monitor(ids)
    labels = await monitor_links.labels_by_monitor(ids, visible_to)
    parents = await dependencies.parents_of(ids, visible_to)
    with_links = [(row, *(by_id.get(row["id"], ()) for by_id in (channels, labels, parents))) for row in found]
    monitors = [rows.monitor_of(*one) for one in with_links]
    return monitors if visible_to is None else await visibility.with_visible_members(monitors, visible_to)


async def _row(monitor_id: str, *, lock: bool = False, visible_to: TagScope = None) -> Any:
    """A monitor's columns with its series'. Raises NoSuch."""
    # NO KEY: whoever stores results has locked the series, for which this waits, and may refer to the monitor
    locked = " FOR NO KEY UPDATE OF m" if lock and not db.is_sqlite() else ""
    visible = visibility.visible_monitors_sql("m.id", 2)
    statement = f"{SELECT_MONITORS} WHERE s.location = '' AND m.id = ?1 AND {visible}{locked}"
    found = await db.rows(statement, monitor_id, visibility.tags_parameter(visible_to))
    if not found:
        raise NoSuch("monitor", monitor_id)
    return found[0]


def _merge_ids(ids: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> list[str]:
    return [one for one in dict.fromkeys([*ids, *added]) if one not in removed]


async def _check_references(monitor_id: str, columns: dict[str, Any]) -> None:
    """Raise Invalid for an unknown escalation, Conflict for a push token of another monitor."""
    if columns["escalation_id"]:
        await escalation_policies.require_policy(columns["escalation_id"])
    push_key = columns["push_key"]  # the reports of two monitors with one token could not be assigned
    if push_key and await MonitorRow.exists().where(MonitorRow.push_key == push_key, MonitorRow.id != monitor_id):
        raise Conflict("Another monitor has this push token.", field="config.token")


async def _apply_patch(row: Any, patch: MonitorPatch, now: int) -> MonitorChange:
    """Store a locked monitor's definition after a patch, inside the caller's transaction. Raises Invalid, Conflict."""
    monitor_id = row["id"]
    draft = apply_patch(row, patch)
    columns = rows.columns_of(draft)
    kinds = event_kinds(row, patch)
    if kinds:
        await _check_references(monitor_id, columns)
        values: dict[Any, Any] = {**columns, "version": row["version"] + 1, "updated_ms": now}
        await MonitorRow.update(values).where(MonitorRow.id == monitor_id)
        if (period := series.period_of(columns, now)) != series.period_of(row, now):
            await series.start_period(await series.list_numbers(monitor_id), period)
        await proxies.set_for_monitor(monitor_id, draft.config)
        if isinstance(draft.config, Group):
            await groups.set_members(monitor_id, draft.config)
    if patch.notification_channel_ids is not UNSET:
        await monitor_links.set_channels(monitor_id, patch.notification_channel_ids)
    if patch.tag_ids is not UNSET:
        await monitor_links.set_tags(monitor_id, patch.tag_ids)
    if patch.parent_ids is not UNSET:
        await dependencies.set_parents(monitor_id, patch.parent_ids)
    if patch.parent_ids is not UNSET or patch.active is not UNSET:
        await dependencies.release_suppressed([monitor_id], now)
    return await _record_change(monitor_id, now, kinds)


def _push_target_of(row: Any) -> Push:
    """A push monitor's config with its token unmasked. Raises Conflict for a monitor of another type."""
    target = rows.config_of(row)
    if not isinstance(target, Push):
        raise Conflict(f"A monitor of type {row['type']} has no push token.")
    return target


def _with_plain_token(change: MonitorChange, target: Target) -> MonitorChange:
    """The change with its push token unmasked; later reads return it masked."""
    masked = change.monitor.config
    if not (isinstance(masked, Push) and isinstance(target, Push)):
        return change
    config = msgspec.structs.replace(masked, token=target.token)
    return msgspec.structs.replace(change, monitor=msgspec.structs.replace(change.monitor, config=config))


async def _record_change(
    monitor_id: str, now_ms: int, kinds: list[EventKind], before: Sequence[Event] = ()
) -> MonitorChange:
    """Store the events of a change after the events `before`; returns the monitor as it is stored now."""
    row = await _row(monitor_id)
    (monitor,) = await _monitors_of([row])
    closed = await incidents.close_for_monitor(monitor, kinds, now_ms)
    closed += await monitor_alarms.close_for_monitor(monitor, kinds, now_ms)
    recorded = [*before, *closed, *(outbox.monitor_event(kind, monitor, now_ms) for kind in kinds)]
    deliveries = await outbox.record_events(recorded, now_ms)
    schedule = rows.schedule_of(row)
    scheduled = monitor.active and is_scheduled(schedule)
    return MonitorChange(
        monitor=monitor,
        events=recorded,
        schedules=[schedule] if scheduled else [],
        unscheduled=[] if scheduled else [schedule.series],
        deliveries=deliveries,
    )
