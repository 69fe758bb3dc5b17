"""Notification channels: create, read, update, delete, and decrypt for the notify stage.

A *test channel* holds a config that is tested before it is saved. Its version is 0, so lists, links and reads ignore
it; the test deletes it at its end, and the next test deletes those that a crash left.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import clock, db
from app.domain.alerting.channel_rules import rule_errors
from app.errors import Invalid, NoSuch
from app.security.secrets import sealing
from app.store import visibility
from app.store.alerting import channel_health, channel_templates
from app.store.monitoring import config_secrets, monitor_links
from app.store.sql import contains_pattern, list_parameter
from app.store.tables.channels import ChannelRow
from app.store.versions import check_version
from app.store.visibility import TagScope
from schema.channels import PROVIDERS, Channel, ChannelConfig, ChannelDraft, ChannelPatch
from schema.channels.terms import ChannelRules
from schema.errors import FieldError

SORTS = {"name": "lower(name)", "created_at": "created_ms", "updated_at": "updated_ms"}
MAX_PAGE_SIZE = 1_000  # channels in one response
TEST_VERSION, FIRST_VERSION = 0, 1  # of a test channel, and of a new one
TEST_CHANNEL_TTL_MS = 600_000  # longer than any test runs

_TAGS = (
    "SELECT channel_id, tag_id FROM channel_tags WHERE channel_id IN (SELECT value->>0 FROM {each:1}) AND "
    f"{visibility.visible_tags_sql('tag_id', 2)} ORDER BY 1, 2"
)
_COUNT, _SELECT = "SELECT count(*) AS n FROM channels", "SELECT * FROM channels"
_FILTERS = (
    " WHERE version > 0 AND kind = 'channel'"
    " AND (CAST(?1 AS TEXT) IS NULL OR lower(name) LIKE lower(CAST(?1 AS TEXT)) ESCAPE '!')"
    " AND (CAST(?2 AS TEXT) IS NULL OR type = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS BOOLEAN) IS NULL OR active = CAST(?3 AS BOOLEAN))"
)


class ChannelQuery(Struct, frozen=True, kw_only=True):
    """Which channels to list, in which order.

    q           part of the name, ignoring case
    sort        one of `SORTS`
    visible_to  as in `app.store.visibility`: which of the channels' tags are shown
    """

    q: str | None = None
    type: str | None = None
    active: bool | None = None
    sort: str = "name"
    descending: bool = False
    limit: int = MAX_PAGE_SIZE
    offset: int = 0
    visible_to: TagScope = None


class ChannelWithSecrets(Struct, frozen=True, kw_only=True):
    """A channel with its secrets decrypted, for the sender; never for an API response."""

    id: str
    name: str
    type: str
    config: ChannelConfig
    active: bool
    kind: str
    rules: ChannelRules


async def create(draft: ChannelDraft) -> Channel:
    """Store a new channel. Raises Invalid."""
    await channel_templates.validate_templates(draft.templates)
    return await get(await _insert(draft, FIRST_VERSION))


async def get(channel_id: str, visible_to: TagScope = None) -> Channel:
    """One channel. Raises NoSuch."""
    row = await _row(channel_id)
    return channel_of(row, (await _tag_ids_by_channel([channel_id], visible_to)).get(channel_id, []))


async def update(channel_id: str, patch: ChannelPatch, *, version: int | None = None) -> Channel:
    """Apply a patch; a new config resets the channel's health. Raises NoSuch, Stale, Invalid."""
    await channel_templates.validate_templates(patch.templates)
    async with db.transaction():
        row = await _row(channel_id, lock=True)
        check_version("channel", row["version"], version)
        columns = {**_columns_of(_apply_patch(row, patch)), "version": row["version"] + 1, "updated_ms": clock.now_ms()}
        values: dict[Any, Any] = columns if patch.config is UNSET else columns | channel_health.HEALTHY_COLUMNS
        await ChannelRow.update(values).where(ChannelRow.id == channel_id)
        if patch.tag_ids is not UNSET:
            await _set_tags(channel_id, patch.tag_ids)
        return await get(channel_id)


async def delete(channel_id: str, *, version: int | None = None) -> None:
    """Delete a channel with its links and deliveries. Raises NoSuch, Stale."""
    async with db.transaction():
        check_version("channel", (await _row(channel_id, lock=True))["version"], version)
        await db.rows("DELETE FROM channels WHERE id = ?1", channel_id)


async def list_page(query: ChannelQuery) -> tuple[list[Channel], int]:
    """One page of channels, and the total count."""
    filters = (contains_pattern(query.q), query.type, query.active)
    order = f"{SORTS[query.sort]} {'DESC' if query.descending else 'ASC'}, id"
    counted = await db.rows(_COUNT + _FILTERS, *filters)
    page = f"{_FILTERS} ORDER BY {order} LIMIT ?4 OFFSET ?5"
    found = await db.rows(_SELECT + page, *filters, query.limit, query.offset)
    tags = await _tag_ids_by_channel([row["id"] for row in found], query.visible_to)
    return [channel_of(row, tags.get(row["id"], [])) for row in found], int(counted[0]["n"])


async def get_with_secrets(channel_ids: Collection[str]) -> dict[str, ChannelWithSecrets]:
    """Channels by id with decrypted secrets, including test channels and inactive ones. Deleted ones are absent."""
    found = await db.rows(
        "SELECT * FROM channels WHERE id IN (SELECT value->>0 FROM {each:1})", list_parameter(channel_ids)
    )
    return {row["id"]: with_secrets(row) for row in found}


async def create_test_channel(draft: ChannelDraft) -> str:
    """Store a config and its templates for a test; returns the channel's id. Raises Invalid."""
    await channel_templates.validate_templates(draft.templates)
    await db.rows("DELETE FROM channels WHERE version = 0 AND created_ms < ?1", clock.now_ms() - TEST_CHANNEL_TTL_MS)
    test_channel = ChannelDraft(name="test", config=draft.config, active=False, templates=draft.templates)
    return await _insert(test_channel, TEST_VERSION)


async def delete_test_channel(channel_id: str) -> None:
    """Delete a test channel with its deliveries."""
    await db.rows("DELETE FROM channels WHERE id = ?1 AND version = 0", channel_id)


def channel_of(row: Any, tag_ids: list[str]) -> Channel:
    """A channel as the API returns it, with secrets masked."""
    rules = rules_of(row)
    return Channel(
        id=row["id"],
        name=row["name"],
        type=row["type"],
        config=sealing.mask_secrets(_config_of(row)),
        active=bool(row["active"]),
        is_default=bool(row["is_default"]),
        all_monitors=bool(row["all_monitors"]),
        tag_ids=tag_ids,
        events=rules.events,
        quiet_hours=rules.quiet_hours,
        delay=rules.delay,
        grouping=rules.grouping,
        templates=rules.templates,
        health=channel_health.health_of(row, clock.now_ms()),
        version=row["version"],
        created_at=clock.instant(row["created_ms"]),
        updated_at=clock.instant(row["updated_ms"]),
    )


def with_secrets(row: Any) -> ChannelWithSecrets:
    """A row with its secrets decrypted."""
    return ChannelWithSecrets(
        id=row["id"],
        name=row["name"],
        type=row["type"],
        config=_config_of(row),
        active=bool(row["active"]),
        kind=row["kind"],
        rules=rules_of(row),
    )


def rules_of(row: Any) -> ChannelRules:
    """A row's rules; fields that an older version did not store get today's defaults."""
    return msgspec.json.decode(row["rules"], type=ChannelRules)


def _config_of(row: Any) -> ChannelConfig:
    config: ChannelConfig = sealing.decrypt_secrets(row["config"], PROVIDERS[row["type"]])
    return config


def _columns_of(draft: ChannelDraft) -> dict[str, Any]:
    if errors := rule_errors(draft.events, draft.quiet_hours):
        raise Invalid(errors)
    return {
        "name": draft.name,
        "type": str(draft.config.__struct_config__.tag),
        "config": sealing.encrypt_secrets(draft.config),
        "active": draft.active,
        "is_default": draft.is_default,
        "all_monitors": draft.all_monitors,
        "rules": msgspec.json.encode(_rules_from_draft(draft)).decode(),
    }


def _rules_from_draft(draft: ChannelDraft) -> ChannelRules:
    return ChannelRules(**{name: getattr(draft, name) for name in ChannelRules.__struct_fields__})


async def _insert(draft: ChannelDraft, version: int) -> str:
    now, id_ = clock.now_ms(), str(uuid4())
    columns = _columns_of(msgspec.structs.replace(draft, config=config_secrets.validate_new(draft.config)))
    async with db.transaction():
        await ChannelRow.insert(ChannelRow(id=id_, version=version, created_ms=now, updated_ms=now, **columns))
        await _set_tags(id_, draft.tag_ids)
    return id_


async def _tag_ids_by_channel(channel_ids: Collection[str], visible_to: TagScope) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for row in await db.rows(_TAGS, list_parameter(channel_ids), visibility.tags_parameter(visible_to)):
        tags.setdefault(row["channel_id"], []).append(row["tag_id"])
    return tags


async def _set_tags(channel_id: str, tag_ids: Sequence[str]) -> None:
    """Replace a channel's tags. Raises Invalid for tags that do not exist."""
    await db.rows("DELETE FROM channel_tags WHERE channel_id = ?1", channel_id)
    inserted = await db.rows(
        "INSERT INTO channel_tags (channel_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
        channel_id,
        list_parameter(tag_ids),
    )
    known = {row["tag_id"] for row in inserted}
    unknown = [number for number, id_ in enumerate(tag_ids) if id_ not in known]
    if unknown:
        raise Invalid([FieldError(f"tag_ids.{number}", monitor_links.UNKNOWN_TAG) for number in unknown])


async def _row(channel_id: str, *, lock: bool = False) -> Any:
    locked = " FOR UPDATE" if lock and not db.is_sqlite() else ""
    found = await db.rows(_SELECT + " WHERE version > 0 AND kind = 'channel' AND id = ?1" + locked, channel_id)
    if not found:
        raise NoSuch("notification-channel", channel_id)
    return found[0]


def _apply_patch(row: Any, patch: ChannelPatch) -> ChannelDraft:
    """The whole definition after the patch. Raises Invalid."""
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    if fields.pop("type", row["type"]) != row["type"]:
        raise Invalid.for_field("type", f"must be {row['type']!r}: a channel's type can't change")
    rules = rules_of(row)
    old = ChannelDraft(
        name=row["name"],
        config=_config_of(row),
        active=bool(row["active"]),
        is_default=bool(row["is_default"]),
        all_monitors=bool(row["all_monitors"]),
        **{name: getattr(rules, name) for name in ChannelRules.__struct_fields__},
    )
    if "config" in fields:
        fields["config"] = config_secrets.validate_replacement(old.config, fields["config"])
    return msgspec.structs.replace(old, **fields)
