"""Notification channels: create, read, update, delete, and decrypt for the notify stage.

A *test channel* holds a config that is tested before it is saved. It has `is_temporary`, so lists, links and reads
ignore it; the test deletes it at its end, and the next test deletes those that a crash left. A deleted channel has it
too: see `deleted_channels`. Lists and tags are written as SQL: an order by lower case, conditions on visible tags.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import clock, db
from app.domain.alerting.channel_rules import rule_errors
from app.domain.alerting.quiet_hours import with_timezone
from app.errors import Invalid, NoSuch, require_known
from app.security.secrets import sealing
from app.store import visibility
from app.store.alerting import channel_alarms, channel_health, channel_templates, deleted_channels
from app.store.alerting.channel_rows import StoredChannel, rules_of, stored_channel
from app.store.audit import log as audit_log
from app.store.listing import Listing, ListQuery
from app.store.monitoring import config_secrets, monitor_links, proxies
from app.store.name_search import matches_sql, matching_ids
from app.store.sql import list_parameter
from app.store.tables.channels import ChannelRow, ChannelTagRow
from app.store.versions import ExpectedVersion, check_version
from app.store.visibility import TagScope
from schema.audit import AuditOutcome, NewAuditEntry
from schema.channels import PROVIDERS, Channel, ChannelConfig, ChannelDraft, ChannelPatch
from schema.channels.rules import ChannelRules
from schema.proxies import ProxyConfig

SORTS = {"name": "lower(name)", "created_at": "created_ms", "updated_at": "updated_ms"}
SYSTEM_ACTOR = "system"  # in the audit log: a change that nobody asked for
TEST_CHANNEL_TTL_MS = 600_000  # longer than any test runs

_TAGS = (
    "SELECT channel_id, tag_id FROM channel_tags WHERE channel_id IN (SELECT value->>0 FROM {each:1}) AND "
    f"{visibility.visible_tags_sql('tag_id', 2)} ORDER BY 1, 2"
)
_FILTERS = (
    " WHERE NOT is_temporary AND kind = 'channel'"
    f" AND {matches_sql('id', 1)}"
    " AND (CAST(?2 AS TEXT) IS NULL OR type = CAST(?2 AS TEXT))"
    " AND (CAST(?3 AS BOOLEAN) IS NULL OR active = CAST(?3 AS BOOLEAN))"
)
_LISTING = Listing(
    select="SELECT * FROM channels",
    count="SELECT count(*) AS n FROM channels",
    filters=_FILTERS,
    sorts=SORTS,
    key="id",
)


class ChannelQuery(ListQuery, frozen=True, kw_only=True):
    """Which channels to list, in which order.

    q           part of the name, ignoring case
    sort        one of `SORTS`
    visible_to  as in `app.store.visibility`: which of the channels' tags are shown
    """

    q: str | None = None
    type: str | None = None
    active: bool | None = None
    visible_to: TagScope = None


class ChannelWithSecrets(Struct, frozen=True, kw_only=True):
    """A channel and its proxy with their secrets decrypted, for the sender; never for an API response."""

    id: str
    name: str
    type: str
    config: ChannelConfig
    active: bool
    kind: str
    rules: ChannelRules
    proxy: ProxyConfig | None = None


async def create(draft: ChannelDraft) -> Channel:
    """Store a new channel. Raises Invalid."""
    await channel_templates.validate_templates(draft.templates)
    return await channel_templates.with_warnings(await get(await _insert(draft)))


async def get(channel_id: str, visible_to: TagScope = None) -> Channel:
    """One channel. Raises NoSuch."""
    stored = await _get_row(channel_id)
    return channel_of(stored, (await _tag_ids_by_channel([channel_id], visible_to)).get(channel_id, []))


async def update(channel_id: str, patch: ChannelPatch, *, version: ExpectedVersion = None) -> Channel:
    """Apply a patch; a new config resets the channel's health. Raises NoSuch, Stale, Invalid."""
    await channel_templates.validate_templates(patch.templates)
    async with db.transaction():
        old = await _get_row(channel_id, lock=True)
        check_version("channel", old.version, version)
        draft = await asyncio.to_thread(_apply_patch, old, patch)  # the first template loads a library
        columns = {**_columns_of(draft), "version": old.version + 1, "updated_ms": clock.now_ms()}
        columns["proxy_id"] = await proxies.lock_for_channel(draft.config)
        values: dict[Any, Any] = columns if patch.config is UNSET else columns | channel_health.HEALTHY_COLUMNS
        await ChannelRow.update(values).where(ChannelRow.id == channel_id)
        if patch.active is False:
            await channel_alarms.close_unused(old, channel_alarms.SWITCHED_OFF, clock.now_ms())
        if patch.tag_ids is not UNSET:
            await _set_tags(channel_id, patch.tag_ids)
        changed = await get(channel_id)
    return await channel_templates.with_warnings(changed)


async def adopt_changes(channel_id: str, used: ChannelConfig, changes: Mapping[str, str]) -> bool:
    """Change fields of a channel's config as its provider asked, on nobody's behalf; the audit log records it.

    used      the config that the provider responded to; a field that has changed since keeps its newer value
    changes   field → new value; none of them is secret
    returns   whether the config changed
    """
    async with db.transaction():
        found = await _find_row(channel_id, lock=True)
        config = _config_of(found) if found else used
        if found is None or any(getattr(config, name) != getattr(used, name) for name in changes):
            return False
        new = sealing.encrypt_secrets(msgspec.structs.replace(config, **changes))
        columns: dict[Any, Any] = {"config": new, "version": found.version + 1, "updated_ms": clock.now_ms()}
        await ChannelRow.update(columns).where(ChannelRow.id == channel_id)
        entry = NewAuditEntry(
            actor=SYSTEM_ACTOR,
            action="channel.updated",
            resource="channel",
            resource_id=channel_id,
            change={"config": dict(changes)},
            outcome=AuditOutcome.DONE,
        )
        await audit_log.append_entries([entry])
    return True


async def delete(channel_id: str, *, version: ExpectedVersion = None) -> tuple[str, str]:
    """Delete a channel with its links; its deliveries stay. Returns its name and type. Raises NoSuch, Stale."""
    async with db.transaction():
        old = await _get_row(channel_id, lock=True)
        check_version("channel", old.version, version)
        await channel_alarms.close_unused(old, channel_alarms.DELETED, clock.now_ms())
        await deleted_channels.mark_deleted(channel_id)
    return old.name, old.type


async def list_page(query: ChannelQuery) -> tuple[list[Channel], int]:
    """One page of channels, and the total count."""
    filters = (await matching_ids(query.q, ChannelRow.id, ChannelRow.name), query.type, query.active)
    found, total = await _LISTING.read(query, filters)
    stored = [stored_channel(row) for row in found]
    tags = await _tag_ids_by_channel([one.id for one in stored], query.visible_to)
    return [channel_of(one, tags.get(one.id, [])) for one in stored], total


async def create_test_channel(draft: ChannelDraft) -> str:
    """Store a config and its templates for a test; returns the channel's id. Raises Invalid."""
    await channel_templates.validate_templates(draft.templates)
    is_test = ChannelRow.is_temporary.eq(value=True) & ChannelRow.deleted_ms.is_null()
    await ChannelRow.delete().where(is_test, ChannelRow.created_ms < clock.now_ms() - TEST_CHANNEL_TTL_MS)
    test_channel = ChannelDraft(
        name="test", config=draft.config, active=False, templates=draft.templates, timezone=draft.timezone
    )
    return await _insert(test_channel, is_temporary=True)


async def delete_test_channel(channel_id: str) -> None:
    """Delete a test channel with its deliveries."""
    await ChannelRow.delete().where(ChannelRow.id == channel_id, ChannelRow.is_temporary.eq(value=True))


def channel_of(stored: StoredChannel, tag_ids: list[str]) -> Channel:
    """A channel as the API returns it, with secrets masked."""
    rules = rules_of(stored)
    return Channel(
        id=stored.id,
        name=stored.name,
        type=stored.type,
        config=sealing.mask_secrets(_config_of(stored)),
        active=stored.active,
        is_default=stored.is_default,
        all_monitors=stored.all_monitors,
        tag_ids=tag_ids,
        events=rules.events,
        quiet_hours=rules.quiet_hours,
        min_outage=rules.min_outage,
        grouping=rules.grouping,
        templates=rules.templates,
        timezone=rules.timezone,
        health=channel_health.health_of(stored, clock.now_ms()),
        version=stored.version,
        created_at=clock.instant(stored.created_ms),
        updated_at=clock.instant(stored.updated_ms),
    )


async def with_secrets(stored: Iterable[StoredChannel]) -> dict[str, ChannelWithSecrets]:
    """Channels by id, with their proxies, secrets decrypted: one statement at most, for all proxies together."""
    configs = [(one, _config_of(one)) for one in stored]
    found = await proxies.get_configs({config.proxy_id for _, config in configs if config.proxy_id})
    return {
        one.id: ChannelWithSecrets(
            id=one.id,
            name=one.name,
            type=one.type,
            config=config,
            active=one.active,
            kind=one.kind,
            rules=rules_of(one),
            proxy=found.get(config.proxy_id),
        )
        for one, config in configs
    }


def _config_of(stored: StoredChannel) -> ChannelConfig:
    config: ChannelConfig = sealing.decrypt_secrets(stored.config, PROVIDERS[stored.type])
    return config


def _columns_of(draft: ChannelDraft) -> dict[str, Any]:
    if errors := rule_errors(draft.events, draft.quiet_hours, draft.timezone):
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
    rules = ChannelRules(**{name: getattr(draft, name) for name in ChannelRules.__struct_fields__})
    return msgspec.structs.replace(rules, quiet_hours=with_timezone(rules.quiet_hours, rules.timezone))


async def _insert(draft: ChannelDraft, *, is_temporary: bool = False) -> str:
    now, id_ = clock.now_ms(), str(uuid4())
    config = await asyncio.to_thread(config_secrets.validate_new, draft.config)  # the first template loads a library
    columns = _columns_of(msgspec.structs.replace(draft, config=config))
    async with db.transaction():
        proxy_id = await proxies.lock_for_channel(draft.config)
        columns["proxy_id"] = None if is_temporary else proxy_id  # a test that a crash left must not hold the proxy
        row = ChannelRow(id=id_, is_temporary=is_temporary, version=1, created_ms=now, updated_ms=now, **columns)
        await ChannelRow.insert(row)
        await _set_tags(id_, draft.tag_ids)
    return id_


async def _tag_ids_by_channel(channel_ids: Collection[str], visible_to: TagScope) -> dict[str, list[str]]:
    tags: dict[str, list[str]] = {}
    for row in await db.rows(_TAGS, list_parameter(channel_ids), visibility.tags_parameter(visible_to)):
        tags.setdefault(row["channel_id"], []).append(row["tag_id"])
    return tags


async def _set_tags(channel_id: str, tag_ids: Sequence[str]) -> None:
    """Replace a channel's tags. Raises Invalid for tags that do not exist."""
    await ChannelTagRow.delete().where(ChannelTagRow.channel_id == channel_id)
    inserted = await db.rows(
        "INSERT INTO channel_tags (channel_id, tag_id) SELECT CAST(?1 AS TEXT), id FROM tags"
        " WHERE id IN (SELECT value->>0 FROM {each:2}) RETURNING tag_id",
        channel_id,
        list_parameter(tag_ids),
    )
    require_known("tag_ids", tag_ids, {row["tag_id"] for row in inserted}, monitor_links.UNKNOWN_TAG)


async def _get_row(channel_id: str, *, lock: bool = False) -> StoredChannel:
    found = await _find_row(channel_id, lock=lock)
    if found is None:
        raise NoSuch("notification-channel", channel_id)
    return found


async def _find_row(channel_id: str, *, lock: bool = False) -> StoredChannel | None:
    is_channel = (ChannelRow.id == channel_id) & (ChannelRow.kind == "channel")
    query = ChannelRow.select().where(is_channel, ChannelRow.is_temporary.eq(value=False))
    found = await (query.lock_rows("NO KEY UPDATE") if lock and not db.is_sqlite() else query)
    return stored_channel(found[0]) if found else None


def _apply_patch(stored: StoredChannel, patch: ChannelPatch) -> ChannelDraft:
    """The whole definition after the patch. Raises Invalid."""
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    if fields.pop("type", stored.type) != stored.type:
        raise Invalid.for_field("type", f"must be {stored.type!r}: a channel's type can't change")
    rules = rules_of(stored)
    old = ChannelDraft(
        name=stored.name,
        config=_config_of(stored),
        active=stored.active,
        is_default=stored.is_default,
        all_monitors=stored.all_monitors,
        **{name: getattr(rules, name) for name in ChannelRules.__struct_fields__},
    )
    if "config" in fields:
        fields["config"] = config_secrets.validate_replacement(old.config, fields["config"])
    return msgspec.structs.replace(old, **fields)
