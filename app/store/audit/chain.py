"""The audit log's chain: where it begins and ends, whether it is whole, and what of it is too old.

Three marks stand beside the entries. `key` holds the chain's key, sealed. `head` names the newest entry, so that a
missing end is noticed; it is also what writers of all processes queue at. `anchor` names the newest entry that
retention removed, which the oldest remaining one follows. Both carry a seal that needs the key.
"""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from app import db
from app.security.secrets import audit_mac, sealing
from app.store.tables.audit import AuditRow

# and `key_id`, where there is one: older entries have none, and are whole all the same
HASHED_COLUMNS = (
    "seq", "at_ms", "actor_id", "actor", "role", "via", "ip", "action", "resource", "resource_id", "change",
    "outcome", "code", "request_id",
)  # fmt: skip
BATCH = 1_000  # entries read, or removed, at once

_UPSERT_MARK = """INSERT INTO audit_marks (name, seq, hash, seal) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, seal = excluded.seal"""


class ChainMark(Struct, frozen=True):
    """The entry something is said of."""

    seq: int = 0
    hash: str = audit_mac.FIRST_HASH
    seal: str = ""


class ChainReport(Struct, frozen=True):
    """What a walk along the chain found.

    flaw  empty when all is well
    """

    count: int
    head: ChainMark
    broken_at: int | None = None
    error: str = ""


class Chain(Struct, frozen=True):
    """The marks as they stand."""

    key: bytes
    head: ChainMark
    anchor: ChainMark | None

    def mark_error(self) -> str:
        """What is wrong with the marks themselves."""
        told = {"anchor": self.anchor, "head": self.head}
        wrong = [name for name, mark in told.items() if mark and mark.seal != self.seal_of(name, mark)]
        return f"the mark {wrong[0]!r} was not set by Watchkeeper" if wrong else ""

    def seal_of(self, name: str, mark: ChainMark) -> str:
        """The right seal of a mark."""
        return audit_mac.checkpoint_mac(self.key, name, mark.seq, mark.hash)


async def lock() -> Chain:
    """The chain, for whoever changes it next; nobody else does until the transaction ends."""
    rows = await _marks(lock=True)
    if {"head", "key"} <= {row["name"] for row in rows}:
        return _chain_of(rows)
    await _create_marks()
    return _chain_of(await _marks(lock=True))


async def append(chain: Chain, fields: dict[str, Any]) -> None:
    """Add an entry at the end. Inside of the transaction of `locked`."""
    content = {"seq": chain.head.seq + 1, **fields}
    hash_ = audit_mac.entry_hash(chain.key, chain.head.hash, _hashed_values(content))
    await AuditRow.insert(AuditRow(**content, hash=hash_))
    await _set_mark(chain, "head", content["seq"], hash_)


async def verify() -> ChainReport:
    """Walk along the whole chain. Entries that are added meanwhile are not looked at."""
    rows = await _marks()
    try:
        chain = _chain_of(rows)
    except (KeyError, ValueError, sealing.DecryptionFailed):
        left = await db.rows("SELECT count(*) AS n FROM audit")
        lost = "the chain's key is missing, or is not ours" if rows or left[0]["n"] else ""
        return ChainReport(0, ChainMark(), 0 if lost else None, lost)
    found = await _walk(chain)
    if found.error and _anchor_of(await _marks()) != chain.anchor:  # retention went on while we walked
        return await verify()
    return found


async def delete_before(before_ms: int) -> int:
    """Remove the oldest entries, up to one that is as young as that; the anchor moves on first.

    returns  how many are gone
    """
    count = 0
    while gone := await _delete_batch(before_ms):
        count += gone
    return count


async def _delete_batch(before_ms: int) -> int:
    if not await db.rows("SELECT 1 AS one FROM audit WHERE at_ms < ?1 LIMIT 1", before_ms):
        return 0
    async with db.transaction():
        chain = await lock()
        oldest = await db.rows("SELECT seq, at_ms, hash FROM audit ORDER BY seq LIMIT ?1", BATCH)
        young = next((no for no, row in enumerate(oldest) if row["at_ms"] >= before_ms), len(oldest))
        if not young:
            return 0
        last = oldest[young - 1]
        await _set_mark(chain, "anchor", last["seq"], last["hash"])
        await db.rows("DELETE FROM audit WHERE seq <= ?1", last["seq"])
        return young


async def _walk(chain: Chain) -> ChainReport:
    last, count = chain.anchor or ChainMark(), 0
    if flaw := chain.mark_error():
        return ChainReport(0, chain.head, last.seq, flaw)
    async for row in _entries(last.seq, chain.head.seq):
        wanted = audit_mac.entry_hash(chain.key, last.hash, _hashed_values(row))
        if row["seq"] != last.seq + 1:
            return ChainReport(count, chain.head, last.seq + 1, "an entry is missing")
        if row["hash"] != wanted:
            return ChainReport(count, chain.head, row["seq"], "an entry was changed")
        last, count = ChainMark(row["seq"], row["hash"]), count + 1
    if (last.seq, last.hash) != (chain.head.seq, chain.head.hash):
        return ChainReport(count, chain.head, last.seq + 1, "the newest entries are missing")
    return ChainReport(count, chain.head)


def _hashed_values(entry: Any) -> list[str | int]:
    """What an entry's hash is of."""
    key_id = entry["key_id"]
    return [*(entry[name] for name in HASHED_COLUMNS), *([key_id] if key_id else [])]


async def _entries(after: int, until: int) -> AsyncIterator[Any]:
    while True:
        found = await db.rows(
            "SELECT * FROM audit WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3", after, until, BATCH
        )
        for row in found:
            yield row
        if len(found) < BATCH:
            return
        after = found[-1]["seq"]


async def _marks(*, lock: bool = False) -> Any:
    locking = " FOR UPDATE" if lock and not db.is_sqlite() else ""
    return await db.rows(f"SELECT name, seq, hash, seal FROM audit_marks ORDER BY name{locking}")


def _chain_of(rows: Any) -> Chain:
    """Raises KeyError, ValueError or Unopenable when the marks are not whole."""
    found = {row["name"]: ChainMark(row["seq"], row["hash"], row["seal"]) for row in rows}
    return Chain(audit_mac.decrypt_key(found["key"].seal), found["head"], found.get("anchor"))


def _anchor_of(rows: Any) -> ChainMark | None:
    return next((ChainMark(row["seq"], row["hash"], row["seal"]) for row in rows if row["name"] == "anchor"), None)


async def _create_marks() -> None:
    """Set the first marks; who comes second waits, and finds them."""
    key = audit_mac.generate_key()
    await db.rows(
        "INSERT INTO audit_marks (name, seq, hash, seal) VALUES ('key', 0, '', ?1) ON CONFLICT (name) DO NOTHING", key
    )
    (stored,) = await db.rows("SELECT seal FROM audit_marks WHERE name = 'key'")
    (newest,) = await db.rows("SELECT COALESCE(max(seq), 0) AS seq FROM audit")
    seal = audit_mac.checkpoint_mac(audit_mac.decrypt_key(stored["seal"]), "head", newest["seq"], audit_mac.FIRST_HASH)
    await db.rows(
        "INSERT INTO audit_marks (name, seq, hash, seal) VALUES ('head', ?1, ?2, ?3) ON CONFLICT (name) DO NOTHING",
        newest["seq"],
        audit_mac.FIRST_HASH,
        seal,
    )


async def _set_mark(chain: Chain, name: str, seq: int, hash_: str) -> None:
    await db.rows(_UPSERT_MARK, name, seq, hash_, audit_mac.checkpoint_mac(chain.key, name, seq, hash_))
