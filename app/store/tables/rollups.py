"""Tables of hourly and daily rollups, and of checkpoints of long-running work."""

from piccolo.columns import BigInt, Bytea, Text
from piccolo.table import Table

from schema.heartbeats import EPOCH_MS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOURLY, DAILY = 0, 1
SPAN_LENGTHS_MS = {HOURLY: HOUR_MS, DAILY: DAY_MS}
HOUR_BITS = 20  # 119 years of hours since 2020


class RollupRow(Table, tablename="rollups"):
    """An hour or a day of a series, packed by `app.domain.history.rollup_codec`; `id` is a `rollup_key`."""

    id = BigInt(primary_key=True)
    data = Bytea()


class CheckpointRow(Table, tablename="checkpoints"):
    """Work `name` is done up to `at_ms`."""

    name = Text(primary_key=True)
    at_ms = BigInt()


def rollup_key(series: int, span: int, at_ms: int) -> int:
    """Sorts by series, hours before days, then time, so that a year of a monitor's days is one short read."""
    return (series << 1 | span) << HOUR_BITS | (at_ms - EPOCH_MS) // HOUR_MS


def series_and_start_of(key: int) -> tuple[int, int]:
    """(series, start in epoch milliseconds) of a key."""
    return key >> HOUR_BITS + 1, (key & ((1 << HOUR_BITS) - 1)) * HOUR_MS + EPOCH_MS
