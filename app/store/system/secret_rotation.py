"""Key rotation: encrypts stored secrets with the current key, in small steps that may be interrupted.

A row that changes meanwhile is skipped: its new value is encrypted with the current key anyway.
"""

from app import db
from app.security.secrets import sealing
from app.store.tables.encrypted_columns import ENCRYPTED_COLUMNS, EncryptedColumn

BATCH = 200  # rows per transaction
ENCRYPTED = "%sealed:v%"  # a LIKE pattern of texts with an encrypted value


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
                await _replace(column, *change)
        n_changed += len(changes)
    return n_changed


async def _replace(column: EncryptedColumn, key: str, old: str, new: str) -> None:
    table, key_column, text_column = column
    await table.update({text_column: new}).where((key_column == key) & (text_column == old))


async def _next_rows(column: EncryptedColumn, after: str) -> list[tuple[str, str]]:
    """Key and text of the next rows, in the order of their keys."""
    table, key, text = column
    query = table.select(key.as_alias("key"), text.as_alias("text")).where((key > after) & text.like(ENCRYPTED))
    return [(row["key"], row["text"]) for row in await query.order_by(key).limit(BATCH)]
