"""Gaps: due slots without a check. A short gap is stored as unknown heartbeats, a long one as one row.

Written as SQL: batches over JSON arrays.
"""

from collections.abc import Iterable, Sequence

import msgspec

from app import db
from app.domain.schedule import slots
from app.store.tables.heartbeats import EARLY, RAW_STATUS_SHIFT
from schema.heartbeat_texts import MISSED
from schema.heartbeats import heartbeat_key
from schema.jobs import ScheduleGap
from schema.status import Status

MAX_AS_HEARTBEATS = 20  # slots: as after a killed worker, not after a stopped service

_json = msgspec.json.Encoder()


async def store(gaps: Sequence[ScheduleGap]) -> None:
    """Store gaps, in the caller's transaction. Repeating it changes nothing."""
    short = [gap for gap in gaps if gap.interval_ms and gap.to_ms - gap.from_ms < MAX_AS_HEARTBEATS * gap.interval_ms]
    long = [gap for gap in gaps if gap not in short]
    await _store_heartbeats([row for gap in short for row in _heartbeats_of(gap)])
    if long:
        await db.rows(
            "INSERT INTO gaps (series, from_ms, to_ms, reason) SELECT CAST(value->>0 AS BIGINT),"
            " CAST(value->>1 AS BIGINT), CAST(value->>2 AS BIGINT), value->>3"
            " FROM {each:1} WHERE TRUE ON CONFLICT (series, from_ms) DO NOTHING",
            _json.encode([(gap.series, gap.from_ms, gap.to_ms, gap.reason) for gap in long]).decode(),
        )


def _heartbeats_of(gap: ScheduleGap) -> Iterable[tuple[int, int]]:
    """Key and flags of each slot: the first may be a retry or a run-now, the others are scheduled."""
    grid = slots.slots_between(gap.series, gap.interval_ms, gap.from_ms, gap.to_ms + 1)
    unknown = Status.UNKNOWN << RAW_STATUS_SHIFT
    if gap.from_ms not in grid:
        yield heartbeat_key(gap.series, gap.from_ms), unknown | EARLY
    for at_ms in grid:
        yield heartbeat_key(gap.series, at_ms), unknown


async def _store_heartbeats(rows: Sequence[tuple[int, int]]) -> None:
    if rows:
        await db.rows(
            "INSERT INTO heartbeats (id, status, flags, took_us, code) SELECT CAST(value->>0 AS BIGINT),"
            " CAST(?2 AS SMALLINT), CAST(value->>1 AS SMALLINT), 0, CAST(?3 AS SMALLINT)"
            " FROM {each:1} WHERE TRUE ON CONFLICT (id) DO NOTHING",
            _json.encode(rows).decode(),
            int(Status.UNKNOWN),
            MISSED,
        )
