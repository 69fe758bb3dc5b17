"""Coverage: up to when each active series was checked. The due set is rebuilt from it.

Written as SQL: one query with look-ups in three tables.
"""

from typing import Any

from msgspec import Struct

from app import db
from app.clock_watch import FUTURE_TOLERANCE_MS
from app.domain.schedule import slots
from app.store.monitoring.rows import schedule_of
from app.store.monitoring.series import SCHEDULE_COLUMNS, WHERE_SCHEDULED
from app.store.tables.heartbeats import EARLY
from schema.heartbeats import EPOCH_MS, SERIES_SHIFT, slot_of_key
from schema.jobs import MonitorSchedule


class SeriesCoverage(Struct, frozen=True):
    """A series' schedule, and its newest slot with a heartbeat or in a gap, or the start of the schedule period.

    is_push  when it is due also depends on the newest push
    """

    schedule: MonitorSchedule
    covered_until_ms: int
    is_push: bool = False


async def list_active(now_ms: int) -> list[SeriesCoverage]:
    """Every active scheduled series, with three index look-ups each. Pushes and retries cover no slot.

    now_ms  later heartbeats cover nothing: a clock that ran ahead stored them
    """
    found = await db.rows(
        f"SELECT {SCHEDULE_COLUMNS}, m.type,"
        " (SELECT max(h.id) FROM heartbeats h WHERE h.id >= s.no * ?1 AND h.id < (s.no + 1) * ?1"
        f" AND h.id < s.no * ?1 + ?2 AND h.flags & {EARLY} = 0) AS newest,"
        " (SELECT max(g.to_ms) FROM gaps g WHERE g.series = s.no AND g.from_ms <= ?3) AS gap_ms,"
        " (SELECT max(e.from_ms) FROM schedule_periods e WHERE e.series = s.no AND e.from_ms <= ?3) AS era_ms"
        f" FROM monitors m JOIN series s ON s.monitor_id = m.id{WHERE_SCHEDULED}",
        1 << SERIES_SHIFT,
        max(0, now_ms + FUTURE_TOLERANCE_MS - EPOCH_MS),
        now_ms + FUTURE_TOLERANCE_MS,
    )
    return [
        SeriesCoverage(schedule_of(row), min(now_ms, _covered_until_ms(row, now_ms)), row["type"] == "push")
        for row in found
    ]


def _covered_until_ms(row: Any, now_ms: int) -> int:
    """A heartbeat of an earlier schedule covers no slot of the current one."""
    newest_ms = slot_of_key(row["newest"])[1] if row["newest"] else 0
    if newest_ms and not slots.is_due(row["no"], schedule_of(row), newest_ms):
        newest_ms = 0
    return max(newest_ms, row["gap_ms"] or 0, row["era_ms"] or now_ms)
