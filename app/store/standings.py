"""Standings: where each series stands, read and moved a batch at a time."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from app import db
from app.domain.judge import Standing
from schema.heartbeats import SERIES_SHIFT
from schema.status import Status

_json = msgspec.json.Encoder()


async def of(series: Sequence[int]) -> tuple[dict[int, Standing], dict[int, int]]:
    """Where each series stands, and the key of its newest heartbeat; locked until the transaction ends."""
    numbers = _json.encode([[no] for no in series]).decode()
    if not db.is_sqlite():
        # The newest key must be read after the lock is ours: a second statement sees what the first waited for.
        await db.rows(
            "SELECT no FROM series WHERE no IN (SELECT CAST(value->>0 AS BIGINT) FROM {each:1}) ORDER BY no FOR UPDATE",
            numbers,
        )
    found = await db.rows(
        "SELECT s.no, s.status, s.since_ms, s.failing_since_ms, s.retries, s.unsent, s.told_ms,"
        " (SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?2 AND h.id < (s.no + 1) * ?2) AS newest"
        " FROM {each:1} JOIN series s ON s.no = CAST(each.value->>0 AS BIGINT)",
        numbers,
        1 << SERIES_SHIFT,
    )
    return {row["no"]: _standing_of(row) for row in found}, {row["no"]: row["newest"] or 0 for row in found}


def _standing_of(row: Any) -> Standing:
    return Standing(
        Status(row["status"]), row["since_ms"], row["failing_since_ms"], row["retries"], row["unsent"], row["told_ms"]
    )


async def move(standings: Mapping[int, Standing]) -> None:
    """Store where series stand now, for those that moved."""
    if not standings:
        return
    rows = [
        (no, one.status, one.since_ms, one.failing_since_ms, one.retries, one.unsent, one.told_ms)
        for no, one in standings.items()
    ]
    await db.rows(
        "UPDATE series SET status = CAST(each.value->>1 AS INTEGER), since_ms = CAST(each.value->>2 AS BIGINT),"
        " failing_since_ms = CAST(each.value->>3 AS BIGINT), retries = CAST(each.value->>4 AS INTEGER),"
        " unsent = CAST(each.value->>5 AS INTEGER), told_ms = CAST(each.value->>6 AS BIGINT)"
        " FROM {each:1} WHERE series.no = CAST(each.value->>0 AS BIGINT)",
        _json.encode(rows).decode(),
    )
