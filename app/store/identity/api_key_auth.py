"""Authentication with API keys: what a key grants, and when it was last used.

A key and its owner are cached for a second: a request with a warm cache runs no SQL, and a revoked key is rejected
within a second.
Written as SQL: a join, and a batch over a JSON array.
"""

import asyncio
from typing import Any

import msgspec
import structlog

from app import db
from app.domain.identity import api_key_limits
from app.security.auth import api_keys
from app.security.auth.api_keys import Grant
from app.security.auth.ttl_cache import TtlCache
from app.store.identity import api_key_pepper, viewer_tags
from schema.status import Role
from schema.users import Principal

FLUSH_INTERVAL_S = 60.0  # how often last uses are written: accurate to the minute, outside of requests

_SELECT_GRANT = """
SELECT k.id, k.role, k.scopes, k.networks, k.expires_ms, k.active,
       u.id AS user_id, u.username, u.role AS owner_role, u.active AS owned
FROM api_keys k JOIN users u ON u.id = k.user_id WHERE
"""
_UPDATE_LAST_USED = """
UPDATE api_keys SET last_used_ms = seen.at_ms, last_used_ip = seen.ip
FROM (SELECT value->>0 AS id, CAST(value->>1 AS BIGINT) AS at_ms, value->>2 AS ip FROM {each:1}) AS seen
WHERE api_keys.id = seen.id AND COALESCE(api_keys.last_used_ms, 0) < seen.at_ms
"""

log = structlog.get_logger()


async def _load_by_digest(digest: str) -> Grant | None:
    return await _grant_of(await db.rows(f"{_SELECT_GRANT} k.hash = ?1", digest))


async def _load_by_id(key_id: str) -> Grant | None:
    return await _grant_of(await db.rows(f"{_SELECT_GRANT} k.id = ?1", key_id))


_cache_by_digest, _cache_by_id = TtlCache(_load_by_digest), TtlCache(_load_by_id)
get_by_id = _cache_by_id.get  # None: no such key


async def get_by_key(key: str) -> Grant | None:
    """What a key grants, or None for an unknown key. The key itself is not cached."""
    return await _cache_by_digest.get(api_keys.key_digest(key, await api_key_pepper.get()))


def clear_cache() -> None:
    """Read keys from the store again; after a change of keys or users, and for tests."""
    _cache_by_digest.clear()
    _cache_by_id.clear()


async def save_uses() -> None:
    """Store when keys were last used, in one statement."""
    if not (usage := api_keys.take_usage()):
        return
    try:
        await db.rows(
            _UPDATE_LAST_USED, msgspec.json.encode([[key, use.at_ms, use.ip] for key, use in usage.items()]).decode()
        )
    except db.TRANSIENT_ERRORS:
        api_keys.restore_usage(usage)
        raise


async def save_uses_forever() -> None:
    """Save uses every minute, and once more when cancelled. While the database is unavailable they wait."""
    while True:
        try:
            await asyncio.sleep(FLUSH_INTERVAL_S)
        finally:
            await _save_or_warn()


async def _save_or_warn() -> None:
    try:
        await save_uses()
    except db.TRANSIENT_ERRORS as error:
        log.warning("api_keys.usage_not_saved", error=type(error).__name__)


async def _grant_of(found: Any) -> Grant | None:
    if not found:
        return None
    row, owner_role = found[0], Role(found[0]["owner_role"])
    return Grant(
        principal=Principal(
            user_id=row["user_id"],
            username=row["username"],
            role=Role(row["role"]).at_most(owner_role),
            via="api_key",
            key_id=row["id"],
            scopes=None if row["scopes"] is None else frozenset(msgspec.json.decode(row["scopes"])),
            tags=await viewer_tags.scope_of(row["user_id"], owner_role),
        ),
        expires_ms=row["expires_ms"],
        networks=api_key_limits.parse_networks(msgspec.json.decode(row["networks"]))[0],
        active=bool(row["active"]),
        owner_active=bool(row["owned"]),
    )
