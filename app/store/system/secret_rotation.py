"""Seals stored secrets anew, with the current key: in small steps, each of which may be the last one for now.

A row that somebody changes meanwhile is left to him: his own write is sealed with the current key.
"""

from app import db
from app.security.secrets import sealing
from app.store.tables.encrypted_columns import ENCRYPTED_COLUMNS, EncryptedColumn
from schema.targets import Push

BATCH = 200  # rows in one transaction


async def reencrypt_all() -> int:
    """Seal anew whatever is not sealed with the current key; returns how many rows were."""
    return sum([await _reencrypt_column(place) for place in ENCRYPTED_COLUMNS])


async def encrypt_push_tokens() -> int:
    """Seal push tokens that were stored before they were secrets; returns how many monitors had one."""
    found = await db.rows("SELECT id, config FROM monitors WHERE type = 'push' AND config NOT LIKE '%sealed:v%'")
    for row in found:
        target = sealing.decrypt_secrets(row["config"], Push)
        async with db.transaction():
            await db.rows(
                _UPDATE.format(**_MONITOR_CONFIGS._asdict()), row["id"], row["config"], sealing.encrypt_secrets(target)
            )
    return len(found)


async def count_stale() -> int:
    """How many rows hold something that the current key did not seal."""
    stale = 0
    for place in ENCRYPTED_COLUMNS:
        after = ""
        while rows := await _next_rows(place, after):
            after = rows[-1][0]
            stale += sum(not sealing.is_current_key(text) for _, text in rows)
    return stale


async def _reencrypt_column(column: EncryptedColumn) -> int:
    done, after = 0, ""
    while rows := await _next_rows(column, after):
        after = rows[-1][0]
        anew = [(key, old, new) for key, old in rows if (new := sealing.reencrypt(old)) != old]
        async with db.transaction():
            for row in anew:
                await db.rows(_UPDATE.format(**column._asdict()), *row)
        done += len(anew)
    return done


_MONITOR_CONFIGS = EncryptedColumn("monitors", "id", "config")
_SELECT = (
    "SELECT {key} AS key, {column} AS text FROM {table}"
    " WHERE {key} > ?1 AND {column} LIKE '%sealed:v%' ORDER BY {key} LIMIT ?2"
)
_UPDATE = "UPDATE {table} SET {column} = ?3 WHERE {key} = ?1 AND {column} = ?2"


async def _next_rows(column: EncryptedColumn, after: str) -> list[tuple[str, str]]:
    """The next rows in the order of their keys: (key, text)."""
    found = await db.rows(_SELECT.format(**column._asdict()), after, BATCH)
    return [(row["key"], row["text"]) for row in found]
