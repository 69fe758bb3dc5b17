"""Proxies: create, list, update, delete; which monitors use them, and their configs for workers.

A change increments the version of every monitor that uses the proxy, so that workers reload it.
Written as SQL: joins, and batches over JSON arrays.
"""

from collections.abc import Collection
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET

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
from app.store.tables.proxies import MonitorProxyRow, ProxyRow
from app.store.versions import ExpectedVersion, check_version
from app.store.visibility import TagScope
from schema.proxies import Proxy, ProxyConfig, ProxyDraft, ProxyPatch, ProxyProtocol
from schema.targets import Target

SORTS = {"name": "lower(p.name)", "created_at": "p.created_ms", "updated_at": "p.updated_ms"}
MAX_NAMED = 20  # monitors in one error sentence
LOCAL_FIELDS = ("tls_cert", "tls_key", "tls_ca")  # never sent
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
    """Delete a proxy; returns its name. Raises NoSuch, Stale, Conflict while monitors use it."""
    async with db.transaction():
        row = await _row(proxy_id, lock=True)
        check_version("proxy", row["version"], version)
        if row["monitors"]:
            raise Conflict(f"{row['monitors']} monitors use this proxy.", monitors=row["monitors"])
        await ProxyRow.delete().where(ProxyRow.id == proxy_id)
    return str(row["name"])


def _select_with_usage(number: int) -> str:
    """A SELECT of proxies with the number of visible monitors that use each. ?number is `visibility.tags_parameter`."""
    visible = visibility.visible_monitors_sql("u.monitor_id", number)
    uses = f"SELECT count(*) FROM monitor_proxies u WHERE u.proxy_id = p.id AND {visible}"
    return f"SELECT p.*, ({uses}) AS monitors FROM proxies p"


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
    """Raise Invalid while the new protocol does not support a monitor that uses the proxy."""
    unsupported = [row["name"] for row in await _monitors_using(proxy_id) if proxy_error(rows.config_of(row), protocol)]
    if unsupported:
        raise Invalid.for_field(
            "protocol",
            f"can't change to https, which does not support ws:// addresses: {', '.join(unsupported[:MAX_NAMED])}",
        )


async def _monitors_using(proxy_id: str) -> list[Any]:
    """The monitors that use a proxy, sorted by name."""
    select = "SELECT m.id, m.name, m.type, m.config FROM monitors m JOIN monitor_proxies u ON u.monitor_id = m.id"
    found: list[Any] = await db.rows(f"{select} WHERE u.proxy_id = ?1 ORDER BY lower(m.name), m.id", proxy_id)
    return found


async def _check_secrets_stay(proxy_id: str, moved: list[str]) -> None:
    """Raise Conflict while monitors send secrets that the proxy could read at its new address."""
    exposed = [row for row in await _monitors_using(proxy_id) if _exposes_secrets(rows.config_of(row))]
    if not exposed:
        return
    names = ", ".join(row["name"] for row in exposed[:MAX_NAMED]) + (", …" if len(exposed) > MAX_NAMED else "")
    raise Conflict(
        f"{', '.join(moved)} can't change while monitors send secrets through this proxy that it can read: {names}."
        " Add another proxy, and give each of them its `proxy_id` with their secrets.",
        monitors=len(exposed),
        monitor_ids=[row["id"] for row in exposed[:MAX_NAMED]],
    )


def _exposes_secrets(target: Target) -> bool:
    """Whether a proxy could read a secret of this target. `LOCAL_FIELDS` are never sent."""
    sent = (value for path, value in sealing.secrets_of(target).items() if not path.startswith(LOCAL_FIELDS))
    return any(sent) and secret_destinations.is_readable_by_proxy(target)


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
