"""Proxies: create, list, update, delete; which monitors and channels use them, and their configs for workers.

A change increments the version of every monitor that uses the proxy, so that workers reload it; channels are read for
each message.
Written as SQL: joins, and batches over JSON arrays.
"""

from collections.abc import Collection
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET, Struct

from app import clock, db
from app.domain import config_rules
from app.domain.config_rules.http import proxy_error
from app.domain.monitoring import secret_destinations
from app.domain.parsing.hosts import with_wire_hosts
from app.errors import Conflict, Invalid, NoSuch
from app.security.secrets import sealing
from app.store import visibility
from app.store.listing import Listing, ListQuery
from app.store.monitoring import rows
from app.store.name_search import matches_sql, matching_ids
from app.store.sql import list_parameter
from app.store.tables.channels import ChannelRow
from app.store.tables.proxies import MonitorProxyRow, ProxyRow
from app.store.versions import ExpectedVersion, check_version
from app.store.visibility import TagScope
from schema.channels import PROVIDERS, ChannelConfig
from schema.proxies import Proxy, ProxyConfig, ProxyDraft, ProxyPatch, ProxyProtocol
from schema.targets import Target

SORTS = {"name": "lower(p.name)", "created_at": "p.created_ms", "updated_at": "p.updated_ms"}
MAX_NAMED = 20  # monitors and channels in one error sentence
# never sent: of monitors, of webhooks, of web push
LOCAL_FIELDS = frozenset({"tls_cert", "tls_key", "tls_ca", "secret", "previous_secret", "auth", "private_key"})
UNKNOWN_PROXY = "must be the id of a proxy that exists"

_FILTERS = f" WHERE {matches_sql('p.id', 1)} AND (CAST(?2 AS TEXT) IS NULL OR p.protocol = CAST(?2 AS TEXT))"


class ProxyQuery(ListQuery, frozen=True, kw_only=True):
    """Which proxies, in which order.

    q           part of the name, ignoring case
    sort        one of `SORTS`
    visible_to  as in `app.store.visibility`: which monitors are counted
    """

    q: str | None = None
    protocol: ProxyProtocol | None = None
    visible_to: TagScope = None


async def create(draft: ProxyDraft) -> Proxy:
    """Create a proxy. Raises Invalid for a masked password, since there is no old one, and for an unusable config."""
    now, id_ = clock.now_ms(), str(uuid4())
    columns = _columns_of(_validated(sealing.merge_masked(draft, ProxyPatch())))
    await ProxyRow.insert(ProxyRow(id=id_, created_ms=now, updated_ms=now, **columns))
    return await get(id_)


async def get(proxy_id: str, visible_to: TagScope = None) -> Proxy:
    """One proxy. Raises NoSuch."""
    return proxy_of(await _row(proxy_id, visible_to=visible_to))


async def update(proxy_id: str, patch: ProxyPatch, *, version: ExpectedVersion = None) -> tuple[Proxy, list[str]]:
    """Apply a patch; returns the proxy and the ids of the monitors that use it.

    raises  NoSuch, Stale, Invalid; Conflict when the proxy moves, and its new address would receive monitors' secrets
    """
    async with db.transaction():
        row = await _row(proxy_id, lock=True)
        check_version("proxy", row["version"], version)
        now, draft = clock.now_ms(), _apply_patch(row, patch)
        if moved := secret_destinations.changed_destinations(draft, _config_of(row)):
            await _check_secrets_stay(proxy_id, moved)
        if draft.protocol is ProxyProtocol.HTTPS and row["protocol"] != ProxyProtocol.HTTPS.value:
            await _check_protocol_change(proxy_id, draft.protocol)
        values: dict[Any, Any] = {**_columns_of(draft), "version": row["version"] + 1, "updated_ms": now}
        await ProxyRow.update(values).where(ProxyRow.id == proxy_id)
        return await get(proxy_id), await _bump_versions(proxy_id)


async def delete(proxy_id: str, *, version: ExpectedVersion = None) -> str:
    """Delete a proxy; returns its name. Raises NoSuch, Stale, Conflict while monitors or channels use it."""
    async with db.transaction():
        row = await _row(proxy_id, lock=True)
        check_version("proxy", row["version"], version)
        uses = {"monitors": row["monitors"], "channels": row["channels"]}
        if any(uses.values()):
            raise Conflict(f"{uses['monitors']} monitors and {uses['channels']} channels use this proxy.", **uses)
        await ProxyRow.delete().where(ProxyRow.id == proxy_id)
    return str(row["name"])


def _select_with_usage(number: int) -> str:
    """A SELECT of proxies with how many visible monitors and how many channels use each.

    ?number is `visibility.tags_parameter`
    """
    visible = visibility.visible_monitors_sql("u.monitor_id", number)
    uses = f"SELECT count(*) FROM monitor_proxies u WHERE u.proxy_id = p.id AND {visible}"
    channel_uses = "SELECT count(*) FROM channels c WHERE c.proxy_id = p.id"
    return f"SELECT p.*, ({uses}) AS monitors, ({channel_uses}) AS channels FROM proxies p"


_LISTING = Listing(
    select=_select_with_usage(3),
    count="SELECT count(*) AS n FROM proxies p",
    filters=_FILTERS,
    sorts=SORTS,
    key="p.id",
)


async def list_page(query: ProxyQuery) -> tuple[list[Proxy], int]:
    """One page of proxies, and their total."""
    filters = (await matching_ids(query.q, ProxyRow.id, ProxyRow.name), query.protocol and query.protocol.value)
    found, total = await _LISTING.read(query, filters, visibility.tags_parameter(query.visible_to))
    return [proxy_of(row) for row in found], total


async def set_for_monitor(monitor_id: str, target: Target) -> None:
    """Store which proxy a monitor uses. Raises Invalid for an unknown one. Only inside `db.transaction`."""
    proxy_id = getattr(target, "proxy_id", None)
    if proxy_id is None:
        return
    await MonitorProxyRow.delete().where(MonitorProxyRow.monitor_id == monitor_id)
    if not proxy_id:
        return
    inserted = await db.rows(
        "INSERT INTO monitor_proxies (monitor_id, proxy_id) SELECT CAST(?1 AS TEXT), id FROM proxies WHERE id = ?2"
        " RETURNING proxy_id, (SELECT protocol FROM proxies WHERE id = ?2) AS protocol",
        monitor_id,
        proxy_id,
    )
    if not inserted:
        raise Invalid.for_field("config.proxy_id", UNKNOWN_PROXY)
    _check_protocol(target, ProxyProtocol(inserted[0]["protocol"]))


async def get_for_target(target: Target) -> ProxyConfig | None:
    """The proxy of a target, its password decrypted; None: a direct connection. Raises Invalid."""
    proxy_id = str(getattr(target, "proxy_id", ""))
    configs = await get_configs({proxy_id} if proxy_id else ())
    if proxy_id and proxy_id not in configs:
        raise Invalid.for_field("config.proxy_id", UNKNOWN_PROXY)
    if proxy_id:
        _check_protocol(target, configs[proxy_id].protocol)
    return configs.get(proxy_id)


async def lock_for_channel(config: ChannelConfig, field: str = "config.proxy_id") -> str | None:
    """The id of a channel's proxy, which stays until the transaction ends; None: a direct connection. Raises Invalid.

    field    of the error
    """
    if not config.proxy_id:
        return None
    query = ProxyRow.select(ProxyRow.protocol).where(ProxyRow.id == config.proxy_id)
    found = await (query if db.is_sqlite() else query.lock_rows("KEY SHARE"))
    if not found:
        raise Invalid.for_field(field, UNKNOWN_PROXY)
    if reason := proxy_error(config, ProxyProtocol(found[0]["protocol"])):
        raise Invalid.for_field(field, reason)
    return config.proxy_id


async def get_configs(proxy_ids: Collection[str]) -> dict[str, ProxyConfig]:
    """Proxies by id, passwords decrypted: for connections, never for a reply. No ids, no query."""
    if not proxy_ids:
        return {}
    select = "SELECT id, config FROM proxies WHERE id IN (SELECT value->>0 FROM {each:1})"
    found = await db.rows(select, list_parameter(proxy_ids))
    return {row["id"]: with_wire_hosts(sealing.decrypt_secrets(row["config"], ProxyConfig)) for row in found}


def proxy_of(row: Any) -> Proxy:
    """A proxy for the API: its password masked."""
    config = sealing.mask_secrets(_config_of(row))
    return Proxy(
        id=row["id"],
        name=row["name"],
        **msgspec.structs.asdict(config),
        monitors=row["monitors"],
        channels=row["channels"],
        version=row["version"],
        created_at=clock.instant(row["created_ms"]),
        updated_at=clock.instant(row["updated_ms"]),
    )


def _config_of(row: Any) -> ProxyConfig:
    config: ProxyConfig = sealing.decrypt_secrets(row["config"], ProxyConfig)
    return config


def _columns_of(draft: ProxyDraft) -> dict[str, Any]:
    fields = msgspec.structs.asdict(draft)
    name = fields.pop("name")
    return {"name": name, "protocol": draft.protocol.value, "config": sealing.encrypt_secrets(ProxyConfig(**fields))}


def _apply_patch(row: Any, patch: ProxyPatch) -> ProxyDraft:
    """The whole definition after the patch; a mask keeps the old password. Raises Invalid."""
    old = ProxyDraft(name=row["name"], **msgspec.structs.asdict(_config_of(row)))
    fields = {name: value for name, value in msgspec.structs.asdict(patch).items() if value is not UNSET}
    return _validated(sealing.merge_masked(msgspec.structs.replace(sealing.mask_secrets(old), **fields), old))


def _validated(draft: ProxyDraft) -> ProxyDraft:
    """The draft. Raises Invalid for an unusable config."""
    if errors := config_rules.field_errors(draft):
        raise Invalid(errors)
    return draft


def _check_protocol(target: Target, protocol: ProxyProtocol) -> None:
    """Raise Invalid when a proxy of this protocol does not support the target."""
    if reason := proxy_error(target, protocol):
        raise Invalid.for_field("config.proxy_id", reason)


async def _check_protocol_change(proxy_id: str, protocol: ProxyProtocol) -> None:
    """Raise Invalid while the new protocol does not support a monitor or channel that uses the proxy."""
    unsupported = [one.name for one in await _users_of(proxy_id) if proxy_error(one.config, protocol)]
    if unsupported:
        raise Invalid.for_field(
            "protocol",
            "can't change to https, which does not support ws:// addresses and mail servers:"
            f" {', '.join(unsupported[:MAX_NAMED])}",
        )


class _ProxyUser(Struct, frozen=True):
    """A monitor or a channel that uses a proxy, its secrets decrypted."""

    id: str
    name: str
    config: Target | ChannelConfig
    is_monitor: bool


async def _users_of(proxy_id: str) -> list[_ProxyUser]:
    """The monitors, then the channels and webhooks that use a proxy, each sorted by name."""
    select = "SELECT m.id, m.name, m.type, m.config FROM monitors m JOIN monitor_proxies u ON u.monitor_id = m.id"
    monitors = await db.rows(f"{select} WHERE u.proxy_id = ?1 ORDER BY lower(m.name), m.id", proxy_id)
    columns = (ChannelRow.id, ChannelRow.name, ChannelRow.type, ChannelRow.config)
    channels = await ChannelRow.select(*columns).where(ChannelRow.proxy_id == proxy_id).order_by(ChannelRow.name)
    return [
        *(_ProxyUser(row["id"], row["name"], rows.config_of(row), is_monitor=True) for row in monitors),
        *(_ProxyUser(row["id"], row["name"], _channel_config_of(row), is_monitor=False) for row in channels),
    ]


def _channel_config_of(row: Any) -> ChannelConfig:
    config: ChannelConfig = sealing.decrypt_secrets(row["config"], PROVIDERS[row["type"]])
    return config


async def _check_secrets_stay(proxy_id: str, moved: list[str]) -> None:
    """Raise Conflict while monitors or channels send secrets that the proxy could read at its new address."""
    exposed = [one for one in await _users_of(proxy_id) if _exposes_secrets(one.config)]
    if not exposed:
        return
    monitors, channels = ([one.id for one in exposed if one.is_monitor is kind] for kind in (True, False))
    senders = " and ".join(name for name, ids in (("monitors", monitors), ("channels", channels)) if ids)
    names = ", ".join(one.name for one in exposed[:MAX_NAMED]) + (", …" if len(exposed) > MAX_NAMED else "")
    raise Conflict(
        f"{', '.join(moved)} can't change while {senders} send secrets through this proxy that it can read: {names}."
        " Add another proxy, and give each of them its `proxy_id` with their secrets.",
        monitors=len(monitors),
        monitor_ids=monitors[:MAX_NAMED],
        channels=len(channels),
        channel_ids=channels[:MAX_NAMED],
    )


def _exposes_secrets(config: Target | ChannelConfig) -> bool:
    """Whether a proxy could read a secret of this config. `LOCAL_FIELDS` are never sent."""
    sent = (value for path, value in sealing.secrets_of(config).items() if path not in LOCAL_FIELDS)
    return any(sent) and secret_destinations.is_readable_by_proxy(config)


async def _row(proxy_id: str, *, lock: bool = False, visible_to: TagScope = None) -> Any:
    locked = " FOR UPDATE OF p" if lock and not db.is_sqlite() else ""
    found = await db.rows(
        f"{_select_with_usage(2)} WHERE p.id = ?1{locked}", proxy_id, visibility.tags_parameter(visible_to)
    )
    if not found:
        raise NoSuch("proxy", proxy_id)
    return found[0]


async def _bump_versions(proxy_id: str) -> list[str]:
    """Increment the version of the monitors that use a proxy; returns their ids."""
    found = await db.rows(
        "UPDATE monitors SET version = version + 1"
        " WHERE id IN (SELECT monitor_id FROM monitor_proxies WHERE proxy_id = ?1) RETURNING id",
        proxy_id,
    )
    return [row["id"] for row in found]
