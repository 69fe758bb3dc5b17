"""Standings: where each series stands, read and moved a batch at a time.

The order of a series is that of its slots: what is not newer than the newest heartbeat moves nothing. Heartbeats that
lie in the future were stored while the clock was ahead, and put nothing off: while there are any, the series keeps the
slot that was judged last (`order_ms`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app import clock_watch, db
from app.domain.monitoring.judge import MonitorState
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, heartbeat_key, slot_of_key
from schema.status import Status

_json = msgspec.json.Encoder()


class SeriesProgress(Struct):
    """How far a series has come, as keys of heartbeats; 0 for none.

    judged      the newest outcome that was judged
    stored      the newest heartbeat
    disordered  the two may differ: heartbeats lie in the future, or did when the last one was judged
    """

    evaluated: int
    stored: int
    out_of_order: bool = False

    def floor(self, at_ms: int, now_ms: int) -> int:
        """What an outcome of this slot must be newer than; one of a clock that was ahead, than all there is."""
        return self.stored if clock_watch.is_in_future(at_ms, now_ms) else self.evaluated

    def advance(self, key: int, now_ms: int) -> None:
        """An outcome was judged."""
        if not clock_watch.is_in_future(slot_of_key(key)[1], now_ms):
            self.evaluated = key
        self.stored = max(self.stored, key)
        if not self.out_of_order:
            self.evaluated = self.stored


async def load(series: Sequence[int], now_ms: int) -> tuple[dict[int, MonitorState], dict[int, SeriesProgress]]:
    """Where each series stands, and how far it has come; locked until the transaction ends."""
    numbers = _json.encode([[no] for no in series]).decode()
    if not db.is_sqlite():
        # The newest key must be read after the lock is ours: a second statement sees what the first waited for.
        await db.rows(
            "SELECT no FROM series WHERE no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1}) ORDER BY no FOR UPDATE",
            numbers,
        )
    found = await db.rows(
        "SELECT s.no, s.status, s.since_ms, s.failing_since_ms, s.retries, s.unsent, s.told_ms,"
        " s.order_ms, (SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?2 AND h.id < (s.no + 1) * ?2) AS newest"
        " FROM {each:1} JOIN series s ON s.no = CAST(each.value->>0 AS BIGINT)",
        numbers,
        1 << SERIES_SHIFT,
    )
    return {row["no"]: _state_of(row) for row in found}, await _progress_of(found, now_ms)


async def _progress_of(found: Sequence[Any], now_ms: int) -> dict[int, SeriesProgress]:
    newest = {row["no"]: SeriesProgress(row["newest"] or 0, row["newest"] or 0) for row in found}
    orders = {
        row["no"]: None if clock_watch.is_in_future(row["order_ms"] or 0, now_ms) else row["order_ms"] for row in found
    }
    ahead = [row["no"] for row in found if orders[row["no"]] is None and _is_ahead(row["newest"], now_ms)]
    for row in found:
        if orders[row["no"]] is not None:
            newest[row["no"]] = SeriesProgress(
                heartbeat_key(row["no"], row["order_ms"]), row["newest"] or 0, out_of_order=True
            )
    for no, judged in (await _newest_before(ahead, now_ms + clock_watch.FUTURE_TOLERANCE_MS)).items():
        newest[no] = SeriesProgress(judged, newest[no].stored, out_of_order=True)
    return newest


def _is_ahead(key: int | None, now_ms: int) -> bool:
    return bool(key) and clock_watch.is_in_future(slot_of_key(key or 0)[1], now_ms)


async def _newest_before(series: Sequence[int], until_ms: int) -> dict[int, int]:
    """The key of the newest heartbeat until then; 0 for none."""
    if not series:
        return {}
    ranges = [(no, heartbeat_key(no, EPOCH_MS), heartbeat_key(no, max(EPOCH_MS, until_ms)) + 1) for no in series]
    found = await db.rows(
        "SELECT CAST(each.value->>0 AS BIGINT) AS no, (SELECT max(h.id) FROM heartbeats h"
        " WHERE h.id >= CAST(each.value->>1 AS BIGINT) AND h.id < CAST(each.value->>2 AS BIGINT)) AS newest"
        " FROM {each:1}",
        _json.encode(ranges).decode(),
    )
    return {row["no"]: row["newest"] or 0 for row in found}


def _state_of(row: Any) -> MonitorState:
    return MonitorState(
        Status(row["status"]), row["since_ms"], row["failing_since_ms"], row["retries"], row["unsent"], row["told_ms"]
    )


async def save(states: Mapping[int, MonitorState]) -> None:
    """Store where series stand now, for those that moved."""
    if not states:
        return
    rows = [
        (
            no,
            one.status,
            one.status_since_ms,
            one.failing_since_ms,
            one.retries,
            one.failures_since_alert,
            one.alerted_ms,
        )
        for no, one in states.items()
    ]
    await db.rows(
        "UPDATE series SET status = CAST(each.value->>1 AS INTEGER), since_ms = CAST(each.value->>2 AS BIGINT),"
        " failing_since_ms = CAST(each.value->>3 AS BIGINT), retries = CAST(each.value->>4 AS INTEGER),"
        " unsent = CAST(each.value->>5 AS INTEGER), told_ms = CAST(each.value->>6 AS BIGINT)"
        " FROM {each:1} WHERE series.no = CAST(each.value->>0 AS BIGINT)",
        _json.encode(rows).decode(),
    )


async def save_order(progress: Mapping[int, SeriesProgress]) -> None:
    """Store which slots were judged last where the newest heartbeat does not say so; the other series forget theirs."""
    rows = [
        (no, slot_of_key(one.evaluated)[1] if 0 < one.evaluated < one.stored else None)
        for no, one in progress.items()
        if one.out_of_order
    ]
    if rows:
        await db.rows(
            "UPDATE series SET order_ms = CAST(each.value->>1 AS BIGINT)"
            " FROM {each:1} WHERE series.no = CAST(each.value->>0 AS BIGINT)",
            _json.encode(rows).decode(),
        )
