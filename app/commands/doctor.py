"""`watchkeeper doctor`: does this installation work, is that process alive, is the history whole."""

import socket

import msgspec
from redis.exceptions import RedisError

from app import clock, db, embedded_valkey, migrate, nodes, queue, settings as configuration
from app.settings import BadSettings, Settings
from app.store.history import completeness
from app.store.transactions import future_instants

HOW_TO_START = "`watchkeeper up` starts everything"


async def find_problems(settings: Settings, role: str | None) -> list[str]:
    """What is wrong, a line each; empty when all is well.

    role  also look for a living process of that role on this machine
    """
    found = await database_problems(settings)
    if migrate.is_missing(settings):  # nothing was ever started here
        return found
    if not found:
        found = await _clock_problems(settings)
    return [*found, *await _process_problems(settings, role)]


async def database_problems(settings: Settings) -> list[str]:
    """Why its database can't be used, in one line; empty when it can."""
    try:
        await migrate.require_current(settings)
    except migrate.DatabaseUnavailable as error:
        return [f"database: it does not answer: {error}"]
    except BadSettings as bad:
        return [f"database: {line}" for line in bad.lines]
    return []


async def history_report(settings: Settings, settle_s: int) -> completeness.HistoryReport:
    """Missing and doubled slots.

    settle_s  slots younger than this may still be on their way
    """
    await db.start(settings, connections=2)
    try:
        return await completeness.build_report(clock.now_ms(), settle_s * 1000)
    finally:
        await db.stop()


def as_json(report: completeness.HistoryReport) -> str:
    """The report for programs."""
    return msgspec.json.encode(report).decode()


async def _clock_problems(settings: Settings) -> list[str]:
    """What lies in the future: a clock is wrong, or was."""
    now_ms, found = clock.now_ms(), list[str]()
    await db.start(settings, connections=2)
    try:
        beats, names = await future_instants.find_heartbeats(now_ms), await future_instants.find_checkpoints(now_ms)
    finally:
        await db.stop()
    if beats.series:
        until = clock.instant(beats.until_ms)
        words = f"{beats.series} monitors have heartbeats in the future, up to {until:%Y-%m-%d %H:%M:%S} UTC"
        found.append(f"clock: {words}")
    if names:
        found.append(f"clock: checkpoints in the future: {', '.join(names)}")
    return found


async def _process_problems(settings: Settings, role: str | None) -> list[str]:
    if settings.redis_embedded and not embedded_valkey.is_ready(configuration.socket_path(settings.redis_url)):
        return [f"not running: nothing answers at {configuration.socket_path(settings.redis_url)}; {HOW_TO_START}"]
    await queue.start(settings)
    try:
        alive = await nodes.list_alive()
    except (RedisError, OSError) as error:
        return [f"redis: {migrate.error_line(error)}"]
    finally:
        await queue.stop()
    if not alive:
        return [f"not running: no process has given a sign; {HOW_TO_START}"]
    if role and not any(node.role == role and node.host == socket.gethostname() for node in alive):
        return [f"{role}: no such process has given a sign on this machine"]
    return []
