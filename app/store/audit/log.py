"""The audit log: append and read entries, which never change. `chain` links them by their hashes.

Written as SQL: the count, of a subquery.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from piccolo.custom_types import Combinable

from app import clock, db
from app.store.audit import chain
from app.store.tables.audit import AuditRow
from schema.audit import AuditEntry, AuditOutcome, NewAuditEntry

COUNT_LIMIT = 100_000
BATCH = 500  # entries read at once for an export
END_MS = 2**62


class AuditQuery(Struct, frozen=True, kw_only=True):
    """Which entries; newest first.

    actor    id or user name
    before   only entries with lower numbers: where the previous page ended
    """

    actor: str | None = None
    action: str | None = None
    resource: str | None = None
    resource_id: str | None = None
    outcome: AuditOutcome | None = None
    from_ms: int = 0
    to_ms: int = END_MS
    before: int = END_MS
    limit: int = 20
    skip: int = 0


async def record_entry(entry: NewAuditEntry, *, at_ms: int | None = None) -> None:
    """Append an entry, in a transaction of its own, so that rejected requests are recorded, too.

    at_ms  epoch milliseconds; None: now
    """
    await record_entries([entry], at_ms=at_ms)


async def record_entries(entries: Sequence[NewAuditEntry], *, at_ms: int | None = None) -> None:
    """Append entries in one transaction."""
    async with db.transaction():
        await append_entries(entries, at_ms=at_ms)


async def append_entries(entries: Sequence[NewAuditEntry], *, at_ms: int | None = None) -> None:
    """Append entries inside the caller's transaction."""
    for entry in entries:
        fields = msgspec.structs.asdict(entry)
        fields["change"] = msgspec.json.encode(entry.change).decode()
        fields["outcome"] = entry.outcome.value
        fields["at_ms"] = clock.now_ms() if at_ms is None else at_ms
        await chain.append(await chain.lock(), fields)


async def list_page(query: AuditQuery) -> tuple[list[AuditEntry], int | None]:
    """One page of entries, and the `before` of the next page."""
    found = await _page(query, query.limit + 1)
    next_before = found[query.limit - 1].seq if len(found) > query.limit else None
    return found[: query.limit], next_before


async def count(query: AuditQuery) -> int:
    """How many entries match, counted up to `COUNT_LIMIT`."""
    matching = AuditRow.select(AuditRow.seq).where(*_conditions(query)).limit(COUNT_LIMIT)
    (row,) = await AuditRow.raw("SELECT count(*) AS n FROM ({}) AS found", *matching.querystrings)
    return int(row["n"])


async def stream_entries(query: AuditQuery, limit: int) -> AsyncIterator[AuditEntry]:
    """Every matching entry, page after page, up to `limit`."""
    left, before = limit, query.before
    while left > 0:
        page = await _page(msgspec.structs.replace(query, before=before, skip=0), min(BATCH, left))
        for entry in page:
            yield entry
        if len(page) < min(BATCH, left):
            return
        left, before = left - len(page), page[-1].seq


async def _page(query: AuditQuery, limit: int) -> list[AuditEntry]:
    page = AuditRow.select().where(*_conditions(query), AuditRow.seq < query.before)
    page = page.order_by(AuditRow.seq, ascending=False).limit(limit).offset(query.skip)
    return [_entry_of(row) for row in await page]


def _conditions(query: AuditQuery) -> list[Combinable]:
    conditions: list[Combinable] = [AuditRow.at_ms >= query.from_ms, AuditRow.at_ms < query.to_ms]
    if query.actor is not None:
        conditions.append((AuditRow.actor_id == query.actor) | (AuditRow.actor == query.actor))
    if query.action is not None:
        conditions.append(AuditRow.action == query.action)
    if query.resource is not None:
        conditions.append(AuditRow.resource == query.resource)
    if query.resource_id is not None:
        conditions.append(AuditRow.resource_id == query.resource_id)
    if query.outcome is not None:
        conditions.append(AuditRow.outcome == query.outcome.value)
    return conditions


def _entry_of(row: dict[str, Any]) -> AuditEntry:
    fields = {name: row[name] for name in AuditEntry.__struct_fields__ if name not in {"at", "change", "outcome"}}
    return AuditEntry(
        **fields,
        at=clock.instant(row["at_ms"]),
        change=msgspec.json.decode(row["change"]),
        outcome=AuditOutcome(row["outcome"]),
    )
