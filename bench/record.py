"""Reads and fills an installation's database in bulk, from outside the product's processes."""

import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from app import db, settings
from app.domain.schedule import slots
from app.store.tables.monitors import MonitorRow
from bench.installation import Installation

CHUNK = 500  # rows a statement


@asynccontextmanager
async def record(of: Installation) -> AsyncIterator[None]:
    """This process's connection to the installation's database, for as long as the block lasts."""
    await db.start(settings.read_settings(of.environ, of.folder))
    try:
        yield
    finally:
        await db.stop()


async def clone(monitor_id: str, numbers: range, mark: str = "/t/0") -> None:
    """Add a monitor per number, like `monitor_id` in everything but its name and the number in its address.

    The schedule does not know them until the product starts again.
    """
    pattern = (await db.rows("SELECT * FROM monitors WHERE id = ?1", monitor_id))[0]
    links = await db.rows("SELECT channel_id FROM monitor_channels WHERE monitor_id = ?1", monitor_id)
    for begin in range(0, len(numbers), CHUNK):
        part = numbers[begin : begin + CHUNK]
        await _add([_like(dict(pattern), number, mark) for number in part], [link["channel_id"] for link in links])


def _like(pattern: dict[str, Any], number: int, mark: str) -> dict[str, Any]:
    config = pattern["config"].replace(f'{mark}"', f'{mark.rpartition("/")[0]}/{number}"')
    return {**pattern, "id": str(uuid4()), "name": f"t-{number}", "config": config}


async def _add(monitors: list[dict[str, Any]], channels: list[str]) -> None:
    now_ms, ids = int(time.time() * 1000), [one["id"] for one in monitors]
    async with db.transaction():
        await MonitorRow.insert(*(MonitorRow(**one) for one in monitors))
        await db.rows(
            "INSERT INTO series (monitor_id, location) SELECT each.value->>0, '' FROM {each:1} WHERE TRUE",
            _listed([id_] for id_ in ids),
        )
        await db.rows(
            "INSERT INTO schedule_periods (series, from_ms, interval_ms) SELECT s.no, CAST(?2 AS BIGINT),"
            " CAST(?3 AS BIGINT)"
            " FROM {each:1} JOIN series s ON s.monitor_id = each.value->>0",
            _listed([id_] for id_ in ids),
            now_ms,
            monitors[0]["interval_s"] * 1000,
        )
        await db.rows(
            "INSERT INTO monitor_channels (monitor_id, channel_id) SELECT each.value->>0, each.value->>1 FROM"
            " {each:1} WHERE TRUE",
            _listed([id_, channel] for id_ in ids for channel in channels),
        )


def _listed(rows: Iterable[list[str]]) -> str:
    return json.dumps(list(rows))


async def numbers() -> dict[int, int]:
    """Series → the number in its monitor's name."""
    found = await db.rows(
        "SELECT s.no, m.name FROM series s JOIN monitors m ON m.id = s.monitor_id WHERE m.name LIKE 't-%'"
    )
    return {row["no"]: int(row["name"][2:]) for row in found}


async def phases(interval_ms: int) -> dict[int, int]:
    """Number of a monitor → where in the interval its slots lie, ms."""
    return {number: slots.phase_ms(series, interval_ms) for series, number in (await numbers()).items()}


async def monitor_id(name: str) -> str:
    """The id of the monitor with this name."""
    return str((await db.rows("SELECT id FROM monitors WHERE name = ?1", name))[0]["id"])
