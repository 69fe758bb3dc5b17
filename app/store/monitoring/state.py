"""The state of each series, loaded and saved in batches.

Results change the state in the order of their slots: one that is not newer than the newest heartbeat changes nothing.
Heartbeats in the future were stored while the clock ran ahead, and must not delay alerts: while there are any, the
series stores the slot that was evaluated last (`order_ms`). Written as SQL: batches over JSON arrays.
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

    evaluated     the newest result that was evaluated
    stored        the newest heartbeat
    out_of_order  the two may differ: heartbeats lie in the future, or did at the last evaluation
    expiring      the certificate or domain whose expiry was announced last, and is not over
    """

    evaluated: int
    stored: int
    out_of_order: bool = False
    expiring: str | None = None

    def floor(self, at_ms: int, now_ms: int) -> int:
        """The key that a result of this slot must exceed; in the future, that of the newest heartbeat."""
        return self.stored if clock_watch.is_in_future(at_ms, now_ms) else self.evaluated

    def advance(self, key: int, now_ms: int) -> None:
        """Record that a result was evaluated."""
        if not clock_watch.is_in_future(slot_of_key(key)[1], now_ms):
            self.evaluated = key
        self.stored = max(self.stored, key)
        if not self.out_of_order:
            self.evaluated = self.stored


async def load(series: Sequence[int], now_ms: int) -> tuple[dict[int, MonitorState], dict[int, SeriesProgress]]:
    """State and progress of each series, locked until the transaction ends."""
    numbers = _json.encode([[no] for no in series]).decode()
    if not db.is_sqlite():
        # Read the newest key only after locking: a second statement sees what the first one waited for.
        await db.rows(
            "SELECT no FROM series WHERE no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1}) ORDER BY no FOR UPDATE",
            numbers,
        )
    found = await db.rows(
        "SELECT s.no, s.status, s.status_since_ms, s.failing_since_ms, s.retries, s.failures_since_alert, s.alerted_ms,"
        " s.degraded_ms, s.unknown_ms, s.order_ms, s.expiring,"
        " (SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?2 AND h.id < (s.no + 1) * ?2) AS newest"
        " FROM {each:1} JOIN series s ON s.no = CAST(each.value->>0 AS BIGINT)",
        numbers,
        1 << SERIES_SHIFT,
    )
    return {row["no"]: _state_of(row) for row in found}, await _progress_of(found, now_ms)


async def _progress_of(found: Sequence[Any], now_ms: int) -> dict[int, SeriesProgress]:
    progress: dict[int, SeriesProgress] = {}
    ahead: list[int] = []
    for row in found:
        no, newest, order_ms = row["no"], row["newest"] or 0, row["order_ms"]
        progress[no] = SeriesProgress(newest, newest, expiring=row["expiring"])
        if order_ms is not None and not clock_watch.is_in_future(order_ms, now_ms):
            progress[no].evaluated, progress[no].out_of_order = heartbeat_key(no, order_ms), True
        elif newest and clock_watch.is_in_future(slot_of_key(newest)[1], now_ms):
            ahead.append(no)
    if ahead:
        for no, evaluated in (await _newest_before(ahead, now_ms + clock_watch.FUTURE_TOLERANCE_MS)).items():
            progress[no].evaluated, progress[no].out_of_order = evaluated, True
    return progress


async def _newest_before(series: Sequence[int], until_ms: int) -> dict[int, int]:
    """By series: the key of the newest heartbeat until then; 0 for none."""
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
        Status(row["status"]),
        row["status_since_ms"],
        row["failing_since_ms"],
        row["retries"],
        row["failures_since_alert"],
        row["alerted_ms"],
        row["degraded_ms"],
        row["unknown_ms"],
    )


async def save(states: Mapping[int, MonitorState]) -> None:
    """Store the states of series that changed."""
    if not states:
        return
    rows = [
        (
            no,
            state.status,
            state.status_since_ms,
            state.failing_since_ms,
            state.retries,
            state.failures_since_alert,
            state.alerted_ms,
            state.degraded_ms,
            state.unknown_ms,
        )
        for no, state in states.items()
    ]
    await db.rows(
        "UPDATE series SET status = CAST(each.value->>1 AS INTEGER), status_since_ms = CAST(each.value->>2 AS BIGINT),"
        " failing_since_ms = CAST(each.value->>3 AS BIGINT), retries = CAST(each.value->>4 AS INTEGER),"
        " failures_since_alert = CAST(each.value->>5 AS INTEGER), alerted_ms = CAST(each.value->>6 AS BIGINT),"
        " degraded_ms = CAST(each.value->>7 AS BIGINT), unknown_ms = CAST(each.value->>8 AS BIGINT)"
        " FROM {each:1} WHERE series.no = CAST(each.value->>0 AS BIGINT)",
        _json.encode(rows).decode(),
    )


async def save_order(progress: Mapping[int, SeriesProgress]) -> None:
    """Store the slot that was evaluated last where it is not the newest heartbeat, and clear it elsewhere."""
    rows = [
        (no, slot_of_key(series.evaluated)[1] if 0 < series.evaluated < series.stored else None)
        for no, series in progress.items()
        if series.out_of_order
    ]
    if rows:
        await db.rows(
            "UPDATE series SET order_ms = CAST(each.value->>1 AS BIGINT)"
            " FROM {each:1} WHERE series.no = CAST(each.value->>0 AS BIGINT)",
            _json.encode(rows).decode(),
        )
