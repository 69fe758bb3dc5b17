"""Key rotation: encrypts stored secrets with the current key, in small steps that may be interrupted.

A row that changes meanwhile is skipped: its new value is encrypted with the current key anyway.
"""

from app import db
from app.security.secrets import sealing
from app.store.tables.encrypted_columns import ENCRYPTED_COLUMNS, EncryptedColumn

BATCH = 200  # rows per transaction


async def reencrypt_all() -> int:
    """Encrypt everything with the current key; returns how many rows changed."""
    return sum([await _reencrypt_column(column) for column in ENCRYPTED_COLUMNS])


async def count_stale() -> int:
    """How many rows hold something that is encrypted with another key."""
    stale = 0
    for column in ENCRYPTED_COLUMNS:
        after = ""
        while rows := await _next_rows(column, after):
            after = rows[-1][0]
            stale += sum(not sealing.is_current_key(text) for _, text in rows)
    return stale


async def _reencrypt_column(column: EncryptedColumn) -> int:
    n_changed, after = 0, ""
    while rows := await _next_rows(column, after):
        after = rows[-1][0]
        changes = [(key, old, new) for key, old in rows if (new := sealing.reencrypt(old)) != old]
        async with db.transaction():
            for change in changes:
                await db.rows(_UPDATE.format(**column._asdict()), *change)
        n_changed += len(changes)
    return n_changed


_SELECT = (
    "SELECT {key} AS key, {column} AS text FROM {table}"
    " WHERE {key} > ?1 AND {column} LIKE '%sealed:v%' ORDER BY {key} LIMIT ?2"
)
_UPDATE = "UPDATE {table} SET {column} = ?3 WHERE {key} = ?1 AND {column} = ?2"


async def _next_rows(column: EncryptedColumn, after: str) -> list[tuple[str, str]]:
    """Key and text of the next rows, in the order of their keys."""
    found = await db.rows(_SELECT.format(**column._asdict()), after, BATCH)
    return [(row["key"], row["text"]) for row in found]
