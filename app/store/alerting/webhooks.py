"""Webhooks: programs that subscribe to events. Each is a row of `channels`, so both share the delivery pipeline.

After a rotation, the previous secret signs beside the new one for a day, so that receivers have time to change it.
Lists are written as SQL: an order by lower case.
"""

import secrets
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from msgspec import UNSET

from app import clock, db
from app.domain import config_rules
from app.domain.alerting import channel_rules
from app.errors import Invalid, NoSuch
from app.security.secrets import sealing
from app.store.alerting import channel_alarms, channel_health, deleted_channels
from app.store.alerting.channel_rows import StoredChannel, rules_of, stored_channel
from app.store.listing import Listing, ListQuery
from app.store.monitoring import proxies
from app.store.name_search import matches_sql, matching_ids
from app.store.tables.channels import ChannelRow
from app.store.versions import ExpectedVersion, check_version
from schema.channels import Webhook
from schema.channels.rules import ChannelRules
from schema.field_types import MASK
from schema.webhooks import WebhookDraft, WebhookEndpoint, WebhookHealth, WebhookPatch, WebhookSecret, WebhookState

SORTS = {"name": "lower(name)", "created_at": "created_ms", "updated_at": "updated_ms"}
PREVIOUS_SECRET_TTL_MS = 86_400_000  # how long the previous secret signs after a rotation
SECRET_BYTES = 32  # the length of an HMAC-SHA256 signature
NAME_LIMIT = 150
CONFIG_FIELDS = ("url", "secret", "headers", "username", "password", "bearer_token", "proxy_id")  # as in `Webhook`

_FILTERS = (
    " WHERE NOT is_temporary AND kind = 'webhook'"
    f" AND {matches_sql('id', 1)}"
    " AND (CAST(?2 AS BOOLEAN) IS NULL OR active = CAST(?2 AS BOOLEAN))"
)
_LISTING = Listing(
    select="SELECT * FROM channels",
    count="SELECT count(*) AS n FROM channels",
    filters=_FILTERS,
    sorts=SORTS,
    key="id",
)


class WebhookQuery(ListQuery, frozen=True, kw_only=True):
    """Which webhooks to list, in which order.

    q       part of the name, ignoring case
    sort    one of `SORTS`
    """

    q: str | None = None
    active: bool | None = None


async def create(draft: WebhookDraft) -> WebhookEndpoint:
    """Store a webhook. A generated secret is returned here only. Raises Invalid."""
    now, id_, secret = clock.now_ms(), str(uuid4()), draft.secret or _new_secret()
    config = Webhook(**{name: getattr(draft, name) for name in CONFIG_FIELDS} | {"secret": secret})
    columns = _columns_of(_validated(config, Webhook(url=draft.url)), draft.events)
    name = draft.name or urlsplit(draft.url).netloc[:NAME_LIMIT]
    async with db.transaction():
        row = ChannelRow(
            id=id_, name=name, type="webhook", kind="webhook", all_monitors=True, active=draft.active, version=1,
            created_ms=now, updated_ms=now, proxy_id=await proxies.lock_for_channel(config, "proxy_id"), **columns,
        )  # fmt: skip
        await ChannelRow.insert(row)
    created = await get(id_)
    return created if draft.secret else msgspec.structs.replace(created, secret=secret)


async def get(webhook_id: str) -> WebhookEndpoint:
    """One webhook. Raises NoSuch."""
    return _webhook_of(await _get_row(webhook_id))


async def update(webhook_id: str, patch: WebhookPatch, *, version: ExpectedVersion = None) -> WebhookEndpoint:
    """Apply a patch and reset the health; a disabled webhook is enabled. Raises NoSuch, Stale, Invalid."""
    async with db.transaction():
        old = await _get_row(webhook_id, lock=True)
        check_version("webhook", old.version, version)
        fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
        config, events = _apply_patch(_config_of(old), fields), fields.get("events", rules_of(old).events)
        columns = _columns_of(config, events) | {name: fields[name] for name in ("name", "active") if name in fields}
        columns["proxy_id"] = await proxies.lock_for_channel(config, "proxy_id")
        if not config.previous_secret:
            columns["rotated_ms"] = None
        await _update_row(old, columns | channel_health.HEALTHY_COLUMNS)
        if patch.active is False:
            await channel_alarms.close_unused(old, channel_alarms.SWITCHED_OFF, clock.now_ms())
        return await get(webhook_id)


async def delete(webhook_id: str, *, version: ExpectedVersion = None) -> str:
    """Delete a webhook; its deliveries stay. Returns its name. Raises NoSuch, Stale."""
    async with db.transaction():
        old = await _get_row(webhook_id, lock=True)
        check_version("webhook", old.version, version)
        await channel_alarms.close_unused(old, channel_alarms.DELETED, clock.now_ms())
        await deleted_channels.mark_deleted(webhook_id)
    return old.name


async def list_page(query: WebhookQuery) -> tuple[list[WebhookEndpoint], int]:
    """One page of webhooks, and the total count."""
    filters = (await matching_ids(query.q, ChannelRow.id, ChannelRow.name), query.active)
    found, total = await _LISTING.read(query, filters)
    return [_webhook_of(stored_channel(row)) for row in found], total


async def rotate_secret(webhook_id: str, *, version: ExpectedVersion = None) -> WebhookSecret:
    """Generate a new secret; the previous one signs beside it for a day. Raises NoSuch, Stale."""
    now, secret = clock.now_ms(), _new_secret()
    async with db.transaction():
        old = await _get_row(webhook_id, lock=True)
        check_version("webhook", old.version, version)
        current = _config_of(old)
        config = msgspec.structs.replace(current, secret=secret, previous_secret=current.secret)
        await _update_row(old, {"config": sealing.encrypt_secrets(config), "rotated_ms": now})
    return WebhookSecret(
        id=webhook_id, secret=secret, previous_secret_until=clock.instant(now + PREVIOUS_SECRET_TTL_MS)
    )


async def drop_previous_secrets(now_ms: int) -> int:
    """Drop previous secrets a day after their rotation; returns how many."""
    async with db.transaction():
        is_over = ChannelRow.rotated_ms <= now_ms - PREVIOUS_SECRET_TTL_MS
        query = ChannelRow.select().where(is_over).order_by(ChannelRow.id)  # as claims lock them
        found = await (query if db.is_sqlite() else query.lock_rows("NO KEY UPDATE"))
        for one in map(stored_channel, found):
            config = msgspec.structs.replace(_config_of(one), previous_secret="")
            await _update_row(one, {"config": sealing.encrypt_secrets(config), "rotated_ms": None})
    return len(found)


def _apply_patch(old: Webhook, fields: dict[str, Any]) -> Webhook:
    """The config after a patch; omitted secrets stay with the URL they were given for. Raises Invalid."""
    changes: dict[str, Any] = {name: fields[name] for name in CONFIG_FIELDS if name in fields}
    if changes.get("secret", MASK) != MASK:
        changes["previous_secret"] = ""
    return _validated(msgspec.structs.replace(sealing.mask_secrets(old), **changes), old)


def _validated(config: Webhook, old: Webhook) -> Webhook:
    try:
        merged = sealing.merge_masked(config, old)
    except Invalid as error:  # clients do not send the previous secret, and a new secret replaces both
        raise Invalid([one for one in error.fields if one.field != "previous_secret"]) from error
    if errors := config_rules.field_errors(merged):
        raise Invalid(errors)
    return merged


def _columns_of(config: Webhook, events: list[str]) -> dict[str, Any]:
    if errors := channel_rules.rule_errors(events):
        raise Invalid(errors)
    return {
        "config": sealing.encrypt_secrets(config),
        "rules": msgspec.json.encode(ChannelRules(events=events)).decode(),
    }


async def _update_row(stored: StoredChannel, columns: dict[Any, Any]) -> None:
    values = {**columns, "version": stored.version + 1, "updated_ms": clock.now_ms()}
    await ChannelRow.update(values).where(ChannelRow.id == stored.id)


async def _get_row(webhook_id: str, *, lock: bool = False) -> StoredChannel:
    is_webhook = (ChannelRow.id == webhook_id) & (ChannelRow.kind == "webhook")
    query = ChannelRow.select().where(is_webhook, ChannelRow.is_temporary.eq(value=False))
    found = await (query.lock_rows("NO KEY UPDATE") if lock and not db.is_sqlite() else query)
    if not found:
        raise NoSuch("webhook", webhook_id)
    return stored_channel(found[0])


def _webhook_of(stored: StoredChannel) -> WebhookEndpoint:
    config = sealing.mask_secrets(_config_of(stored))
    return WebhookEndpoint(
        id=stored.id,
        name=stored.name,
        url=config.url,
        events=rules_of(stored).events,
        active=stored.active,
        secret=config.secret,
        previous_secret_until=clock.instant_or_none(stored.rotated_ms and stored.rotated_ms + PREVIOUS_SECRET_TTL_MS),
        headers=config.headers,
        username=config.username,
        password=config.password,
        bearer_token=config.bearer_token,
        proxy_id=config.proxy_id,
        health=_health_of(stored),
        version=stored.version,
        created_at=clock.instant(stored.created_ms),
        updated_at=clock.instant(stored.updated_ms),
    )


def _health_of(stored: StoredChannel) -> WebhookHealth:
    is_open = stored.circuit_open_until_ms > clock.now_ms()
    state: WebhookState = "backing_off" if is_open else "failing" if stored.temporary_failures else "ok"
    return WebhookHealth(
        state="disabled" if stored.disabled_ms else state,
        failures=stored.temporary_failures,
        backing_off_until=clock.instant(stored.circuit_open_until_ms) if is_open else None,
        disabled_at=clock.instant_or_none(stored.disabled_ms),
        reason=stored.disabled_reason,
    )


def _config_of(stored: StoredChannel) -> Webhook:
    config: Webhook = sealing.decrypt_secrets(stored.config, Webhook)
    return config


def _new_secret() -> str:
    return f"whsec_{secrets.token_urlsafe(SECRET_BYTES)}"
