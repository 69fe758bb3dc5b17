"""Grants: whom an API key lets in, and when each was last used.

A key and its owner are remembered for a second: a warm path does no SQL, and what is revoked is refused within one.
"""

import asyncio
from typing import Any

import msgspec
import structlog

from app import db
from app.domain.identity import api_key_limits
from app.security.auth import api_keys
from app.security.auth.api_keys import Grant
from app.security.auth.ttl_cache import Remembered
from app.store.identity import api_key_pepper, viewer_tags
from schema.status import Role
from schema.users import Principal

KEEP_S = 60.0  # how often the last uses are written: right to the minute, at no request's expense

_GRANT = """
SELECT k.id, k.role, k.scopes, k.networks, k.expires_ms, k.active,
       u.id AS user_id, u.username, u.role AS owner_role, u.active AS owned
FROM api_keys k JOIN users u ON u.id = k.user_id WHERE
"""
_USED = """
UPDATE api_keys SET last_used_ms = seen.at_ms, last_used_ip = seen.ip
FROM (SELECT value->>0 AS id, CAST(value->>1 AS BIGINT) AS at_ms, value->>2 AS ip FROM {each:1}) AS seen
WHERE api_keys.id = seen.id AND COALESCE(api_keys.last_used_ms, 0) < seen.at_ms
"""

log = structlog.get_logger()


async def _by_digest(digest: str) -> Grant | None:
    return await _grant(await db.rows(f"{_GRANT} k.hash = ?1", digest))


async def _by_id(key_id: str) -> Grant | None:
    return await _grant(await db.rows(f"{_GRANT} k.id = ?1", key_id))


_of_digest, _of_id = Remembered(_by_digest), Remembered(_by_id)
of_id = _of_id.of  # None: there is no such key


async def of_key(key: str) -> Grant | None:
    """What a key lets its holder be, or None: there is no such key. The key itself is kept nowhere."""
    return await _of_digest.of(api_keys.digest_of(key, await api_key_pepper.read()))


def forget() -> None:
    """Ask the store about every key again; for a change of keys or of users, and for tests."""
    _of_digest.forget()
    _of_id.forget()


async def keep_uses() -> None:
    """Write down when keys were last used: all of them in one statement."""
    if not (taken := api_keys.take_uses()):
        return
    try:
        await db.rows(_USED, msgspec.json.encode([[key, use.at_ms, use.ip] for key, use in taken.items()]).decode())
    except db.TROUBLE:
        api_keys.put_back(taken)
        raise


async def keep_uses_forever() -> None:
    """Write them every minute, and once more when cancelled. A database that is away gets them later."""
    while True:
        try:
            await asyncio.sleep(KEEP_S)
        finally:
            await _keep_or_warn()


async def _keep_or_warn() -> None:
    try:
        await keep_uses()
    except db.TROUBLE as error:
        log.warning("keys.uses_not_kept", reason=type(error).__name__)


async def _grant(found: Any) -> Grant | None:
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
            tags=await viewer_tags.of(row["user_id"], owner_role),
        ),
        expires_ms=row["expires_ms"],
        networks=api_key_limits.networks_of(msgspec.json.decode(row["networks"]))[0],
        active=bool(row["active"]),
        owned=bool(row["owned"]),
    )
