"""`watchkeeper doctor`: checks the database, the clock, the processes and the history of an installation."""

import socket

import msgspec
from redis.exceptions import RedisError

from app import clock, db, embedded_valkey, migrate, nodes, queue
from app.settings import BadSettings, Settings, socket_path
from app.store.history import completeness
from app.store.transactions import future_instants

HOW_TO_START = "`watchkeeper up` starts everything"


async def find_problems(settings: Settings, role: str | None) -> list[str]:
    """Problems of this installation, a line each.

    role  also look for a running process of that role on this machine
    """
    problems = await database_problems(settings)
    if migrate.is_missing(settings):  # nothing was started here yet
        return problems
    if not problems:
        problems = await _clock_problems(settings)
    return [*problems, *await _process_problems(settings, role)]


async def database_problems(settings: Settings) -> list[str]:
    """Why the database can't be used; empty when it can."""
    try:
        await migrate.require_current(settings)
    except migrate.DatabaseUnavailable as error:
        return [f"database: it does not answer: {error}"]
    except BadSettings as bad:
        return [f"database: {line}" for line in bad.lines]
    return []


async def history_report(settings: Settings, settle_s: int) -> completeness.HistoryReport:
    """Count missing and doubled slots in the whole history.

    settle_s  younger slots may still have results on their way
    """
    await db.start(settings, connections=2)
    try:
        return await completeness.build_report(clock.now_ms(), settle_s * 1000)
    finally:
        await db.stop()


def as_json(report: completeness.HistoryReport) -> str:
    """The report as JSON."""
    return msgspec.json.encode(report).decode()


async def _clock_problems(settings: Settings) -> list[str]:
    """Heartbeats and checkpoints in the future: a clock is wrong, or was."""
    now_ms, problems = clock.now_ms(), list[str]()
    await db.start(settings, connections=2)
    try:
        beats = await future_instants.find_heartbeats(now_ms)
        checkpoints = await future_instants.find_checkpoints(now_ms)
    finally:
        await db.stop()
    if beats.series:
        until = clock.instant(beats.until_ms)
        text = f"{beats.series} monitors have heartbeats in the future, up to {until:%Y-%m-%d %H:%M:%S} UTC"
        problems.append(f"clock: {text}")
    if checkpoints:
        problems.append(f"clock: checkpoints in the future: {', '.join(checkpoints)}")
    return problems


async def _process_problems(settings: Settings, role: str | None) -> list[str]:
    if settings.redis_embedded and not embedded_valkey.is_ready(socket_path(settings.redis_url)):
        return [f"not running: nothing answers at {socket_path(settings.redis_url)}; {HOW_TO_START}"]
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
