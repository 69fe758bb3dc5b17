"""`watchkeeper doctor`: does this installation work, is that process alive, is the history whole."""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from redis.exceptions import RedisError

from app import db, nodes, queue
from app.errors import Unavailable
from app.settings import Settings
from app.store import history


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[None]:
    """The database and the Redis client of this process."""
    await db.start(settings, connections=2)
    await queue.start(settings)
    try:
        yield
    finally:
        await queue.stop()
        await db.stop()


async def findings(settings: Settings, role: str | None) -> list[str]:
    """What is wrong, a line each; empty when all is well.

    role  also look for a living process of that role on this machine
    """
    try:
        async with opened(settings):
            return [*await _trouble_with_database(), *await _trouble_with_redis(role)]
    except db.TROUBLE as error:
        return [f"database: {error}"]


async def history_report(settings: Settings, settle_s: int) -> history.HistoryReport:
    """Missing and doubled slots.

    settle_s  slots younger than this may still be on their way
    """
    async with opened(settings):
        return await history.report(int(time.time() * 1000), settle_s * 1000)


def as_json(report: history.HistoryReport) -> str:
    """The report for programs."""
    return msgspec.json.encode(report).decode()


async def _trouble_with_database() -> list[str]:
    try:
        await db.ping()
    except Unavailable as error:
        return [f"database: {error}"]
    return []


async def _trouble_with_redis(role: str | None) -> list[str]:
    try:
        alive = await nodes.alive()
    except (RedisError, OSError) as error:
        return [f"redis: {error}"]
    if role and not any(node.role == role and node.host == socket.gethostname() for node in alive):
        return [f"{role}: no such process has given a sign on this machine"]
    return []
