"""Notification channels: kept, changed, listed, opened for the notify stage.

A *trial* is a channel nobody added: the one a config is tested through before it is kept. Its version is 0, so no
list, no link and no reader knows it; it is removed after the test, and after a crash by the next test.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from time import time
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import db
from app.domain.alerting.channel_rules import objections
from app.errors import Invalid, NoSuch, Stale
from app.security.secrets import sealing
from app.store import visibility
from app.store.alerting import channel_health, channel_templates
from app.store.monitoring import config_secrets, tag_links
from app.store.sql import containing, listed
from app.store.tables.channels import ChannelRow
from app.store.visibility import Seeing
from schema.channels import PROVIDERS, Channel, ChannelConfig, ChannelDraft, ChannelPatch
from schema.channels.terms import Terms
from schema.errors import FieldError

SORTS = {"name": "lower(name)", "created_at": "created_ms", "updated_at": "updated_ms"}
MOST = 1_000  # channels in one answer
TRIAL, FIRST = 0, 1  # versions: of a channel that is only tried, of one that is kept
TRIAL_KEPT_MS = 600_000  # longer than any test waits

_TAGS = (
    "SELECT channel_id, tag_id FROM channel_tags WHERE channel_id IN (SELECT value->>0 FROM {each:1}) AND "
    f"{visibility.of_tags('tag_id', 2)} ORDER BY 1, 2"
)
_COUNTED, _ALL = "SELECT count(*) AS n FROM channels", "SELECT * FROM channels"
_WANTED = (
    " WHERE version > 0 AND kind = 'channel'"
    " AND (CAST(?1 AS TEXT) IS NULL OR lower(name) LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!')"
    " AND (CAST(?2 AS TEXT) IS NULL OR type = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS BOOLEAN) IS NULL OR active = CAST(?3 AS BOOLEAN))"
)


class ChannelQuery(Struct, frozen=True, kw_only=True):
    """Which channels, in which order.

    q        part of the name, without regard to case
    sort     one of `SORTS`
    seen_by  as in `app.store.visibility`: whose tags are named
    """

    q: str | None = None
    type: str | None = None
    active: bool | None = None
    sort: str = "name"
    descending: bool = False
    limit: int = MOST
    offset: int = 0
    seen_by: Seeing = None


class OpenChannel(Struct, frozen=True, kw_only=True):
    """A channel with its secrets opened: for whoever sends, never for a reply."""

    id: str
    name: str
    type: str
    config: ChannelConfig
    active: bool
    kind: str
    terms: Terms


async def add(draft: ChannelDraft) -> Channel:
    """Keep a new channel. Raises Invalid."""
    await channel_templates.refuse_faulty(draft.templates)
    return await read(await _insert(draft, FIRST))


async def read(channel_id: str, seen_by: Seeing = None) -> Channel:
    """One channel. Raises NoSuch."""
    row = await _row(channel_id)
    return channel_of(row, (await _tags_of([channel_id], seen_by)).get(channel_id, []))


async def change(channel_id: str, patch: ChannelPatch, *, version: int | None = None) -> Channel:
    """Apply what the patch mentions. Raises NoSuch, Stale (`version` is not the stored one), Invalid."""
    await channel_templates.refuse_faulty(patch.templates)
    async with db.writing():
        row = await _row(channel_id, lock=True)
        _refuse_stale(row, version)
        columns = {**_columns_of(_merged(row, patch)), "version": row["version"] + 1, "updated_ms": _now_ms()}
        values: dict[Any, Any] = columns if patch.config is UNSET else columns | channel_health.WELL
        await ChannelRow.update(values).where(ChannelRow.id == channel_id)
        if patch.tag_ids is not UNSET:
            await _put_tags(channel_id, patch.tag_ids)
        return await read(channel_id)


async def remove(channel_id: str, *, version: int | None = None) -> None:
    """Delete a channel, its links and its deliveries. Raises NoSuch, Stale."""
    async with db.writing():
        _refuse_stale(await _row(channel_id, lock=True), version)
        await db.rows("DELETE FROM channels WHERE id = ?1", channel_id)


async def browse(query: ChannelQuery) -> tuple[list[Channel], int]:
    """The channels asked for, and how many there are in all."""
    wanted = (containing(query.q), query.type, query.active)
    order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, id"
    counted = await db.rows(_COUNTED + _WANTED, *wanted)
    sought = f"{_WANTED} ORDER BY {order} LIMIT ?4 OFFSET ?5"
    found = await db.rows(_ALL + sought, *wanted, query.limit, query.offset)
    tags = await _tags_of([row["id"] for row in found], query.seen_by)
    return [channel_of(row, tags.get(row["id"], [])) for row in found], int(counted[0]["n"])


async def opened(ids: Collection[str]) -> dict[str, OpenChannel]:
    """Channels by id, secrets opened, trials and inactive ones too. Deleted ones are absent."""
    found = await db.rows("SELECT * FROM channels WHERE id IN (SELECT value->>0 FROM {each:1})", listed(ids))
    return {row["id"]: open_of(row) for row in found}


async def add_trial(draft: ChannelDraft) -> str:
    """Keep a config and its words for as long as their test takes; returns the trial's id. Raises Invalid."""
    await channel_templates.refuse_faulty(draft.templates)
    await db.rows("DELETE FROM channels WHERE version = 0 AND created_ms < ?1", _now_ms() - TRIAL_KEPT_MS)
    trial = ChannelDraft(name="test", config=draft.config, active=False, templates=draft.templates)
    return await _insert(trial, TRIAL)


async def remove_trial(channel_id: str) -> None:
    """Forget a trial with all that was sent through it."""
    await db.rows("DELETE FROM channels WHERE id = ?1 AND version = 0", channel_id)


def channel_of(row: Any, tag_ids: list[str]) -> Channel:
    """A channel as it is returned: secrets masked."""
    terms = terms_of(row)
    return Channel(
        id=row["id"],
        name=row["name"],
        type=row["type"],
        config=sealing.masked(_config_of(row)),
        active=bool(row["active"]),
        is_default=bool(row["is_default"]),
        all_monitors=bool(row["all_monitors"]),
        tag_ids=tag_ids,
        events=terms.events,
        quiet_hours=terms.quiet_hours,
        delay=terms.delay,
        grouping=terms.grouping,
        templates=terms.templates,
        health=channel_health.of(row, _now_ms()),
        version=row["version"],
        created_at=datetime.fromtimestamp(row["created_ms"] / 1000, UTC),
        updated_at=datetime.fromtimestamp(row["updated_ms"] / 1000, UTC),
    )


def open_of(row: Any) -> OpenChannel:
    """A row with its secrets opened."""
    return OpenChannel(
        id=row["id"],
        name=row["name"],
        type=row["type"],
        config=_config_of(row),
        active=bool(row["active"]),
        kind=row["kind"],
        terms=terms_of(row),
    )


def terms_of(row: Any) -> Terms:
    """A row's terms, those of an older version with today's defaults."""
    return msgspec.json.decode(row["terms"], type=Terms)


def _config_of(row: Any) -> ChannelConfig:
    config: ChannelConfig = sealing.unseal(row["config"], PROVIDERS[row["type"]])
    return config


def _now_ms() -> int:
    return int(time() * 1000)


def _columns_of(draft: ChannelDraft) -> dict[str, Any]:
    if wrong := objections(draft.events, draft.quiet_hours):
        raise Invalid(wrong)
    return {
        "name": draft.name,
        "type": str(draft.config.__struct_config__.tag),
        "config": sealing.seal(draft.config),
        "active": draft.active,
        "is_default": draft.is_default,
        "all_monitors": draft.all_monitors,
        "terms": msgspec.json.encode(_terms_of(draft)).decode(),
    }


def _terms_of(draft: ChannelDraft) -> Terms:
    return Terms(**{name: getattr(draft, name) for name in Terms.__struct_fields__})


async def _insert(draft: ChannelDraft, version: int) -> str:
    now, id_ = _now_ms(), str(uuid4())
    columns = _columns_of(msgspec.structs.replace(draft, config=config_secrets.fresh(draft.config)))
    async with db.writing():
        await ChannelRow.insert(ChannelRow(id=id_, version=version, created_ms=now, updated_ms=now, **columns))
        await _put_tags(id_, draft.tag_ids)
    return id_


async def _tags_of(channel_ids: Collection[str], seen_by: Seeing) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for row in await db.rows(_TAGS, listed(channel_ids), visibility.argument(seen_by)):
        tags.setdefault(row["channel_id"], []).append(row["tag_id"])
    return tags


async def _put_tags(channel_id: str, tag_ids: Sequence[str]) -> None:
    """Have a channel follow exactly these tags. Raises Invalid for tags that do not exist."""
    await db.rows("DELETE FROM channel_tags WHERE channel_id = ?1", channel_id)
    made = await db.rows(
        "INSERT INTO channel_tags (channel_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
        channel_id,
        listed(tag_ids),
    )
    known = {row["tag_id"] for row in made}
    unknown = [number for number, id_ in enumerate(tag_ids) if id_ not in known]
    if unknown:
        raise Invalid([FieldError(f"tag_ids.{number}", tag_links.UNKNOWN) for number in unknown])


async def _row(channel_id: str, *, lock: bool = False) -> Any:
    locked = " FOR UPDATE" if lock and not db.is_sqlite() else ""
    found = await db.rows(_ALL + " WHERE version > 0 AND kind = 'channel' AND id = ?1" + locked, channel_id)
    if not found:
        raise NoSuch("notification-channel", channel_id)
    return found[0]


def _refuse_stale(row: Any, version: int | None) -> None:
    if version is not None and version != row["version"]:
        raise Stale(f"The channel is at version {row['version']} by now: read it again.", version=row["version"])


def _merged(row: Any, patch: ChannelPatch) -> ChannelDraft:
    """The whole definition after the patch."""
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    if fields.pop("type", row["type"]) != row["type"]:
        raise Invalid.one("type", f"must be {row['type']!r}: a channel's type can't change")
    terms = terms_of(row)
    old = ChannelDraft(
        name=row["name"],
        config=_config_of(row),
        active=bool(row["active"]),
        is_default=bool(row["is_default"]),
        all_monitors=bool(row["all_monitors"]),
        **{name: getattr(terms, name) for name in Terms.__struct_fields__},
    )
    if "config" in fields:
        fields["config"] = config_secrets.replaced(old.config, fields["config"])
    return msgspec.structs.replace(old, **fields)
