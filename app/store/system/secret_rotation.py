"""Seals stored secrets anew, with the current key: in small steps, each of which may be the last one for now.

A row that somebody changes meanwhile is left to him: his own write is sealed with the current key.
"""

from app import db
from app.security.secrets import sealing
from app.store.tables.encrypted_columns import PLACES, Place
from schema.targets import Push

STEP = 200  # rows in one transaction


async def everything() -> int:
    """Seal anew whatever is not sealed with the current key; returns how many rows were."""
    return sum([await _place(place) for place in PLACES])


async def push_tokens() -> int:
    """Seal push tokens that were stored before they were secrets; returns how many monitors had one."""
    found = await db.rows("SELECT id, config FROM monitors WHERE type = 'push' AND config NOT LIKE '%sealed:v%'")
    for row in found:
        target = sealing.unseal(row["config"], Push)
        async with db.writing():
            await db.rows(_UPDATE.format(**_MONITORS._asdict()), row["id"], row["config"], sealing.seal(target))
    return len(found)


async def left() -> int:
    """How many rows hold something that the current key did not seal."""
    stale = 0
    for place in PLACES:
        after = ""
        while rows := await _rows(place, after):
            after = rows[-1][0]
            stale += sum(not sealing.is_current(text) for _, text in rows)
    return stale


async def _place(place: Place) -> int:
    done, after = 0, ""
    while rows := await _rows(place, after):
        after = rows[-1][0]
        anew = [(key, old, new) for key, old in rows if (new := sealing.resealed(old)) != old]
        async with db.writing():
            for row in anew:
                await db.rows(_UPDATE.format(**place._asdict()), *row)
        done += len(anew)
    return done


_MONITORS = Place("monitors", "id", "config")
_SOUGHT = (
    "SELECT {key} AS key, {column} AS text FROM {table}"
    " WHERE {key} > ?1 AND {column} LIKE '%sealed:v%' ORDER BY {key} LIMIT ?2"
)
_UPDATE = "UPDATE {table} SET {column} = ?3 WHERE {key} = ?1 AND {column} = ?2"


async def _rows(place: Place, after: str) -> list[tuple[str, str]]:
    """The next rows in the order of their keys: (key, text)."""
    found = await db.rows(_SOUGHT.format(**place._asdict()), after, STEP)
    return [(row["key"], row["text"]) for row in found]
