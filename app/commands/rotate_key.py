"""`watchkeeper rotate-key`: a new key for everything that is sealed. Interrupted anywhere, it goes on where it was.

The old key stays known, as the second line of `secret.key` or as API_SECRET_KEY_PREVIOUS, until it is forgotten.
"""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from redis.exceptions import RedisError

from app import db, nodes, queue, settings as configuration
from app.processes import preflight
from app.security.secrets import sealing
from app.settings import KEY_FILE, BadSettings, Settings
from app.store.system import secret_rotation

NO_NEW_KEY = (
    "API_SECRET_KEY_PREVIOUS: must be the old key, and API_SECRET_KEY the new one, in every process: set both,"
    " restart, and run this again"
)


class RotationIncomplete(Exception):  # noqa: N818  # says what was found
    """Some values are sealed with neither key."""


def run(settings: Settings, *, forget: bool) -> str:
    """Rotate, or forget the old key; returns what was done.

    raises    BadSettings when something must be set or stopped first, Unfinished
    """
    if settings.api_secret_key:
        return asyncio.run(_rotate_environment_key(settings, forget=forget))
    handle = preflight.lock_data_dir(settings.data_dir)
    try:
        return asyncio.run(_rotate_key_file(settings, forget=forget))
    finally:
        os.close(handle)


async def _rotate_environment_key(settings: Settings, *, forget: bool) -> str:
    """The keys are the operator's to set: every running process knows both, so nothing need be stopped."""
    if not settings.api_secret_key_previous:
        raise BadSettings([NO_NEW_KEY])
    n = await _reencrypt(settings)
    then = "unset" if forget else "sign-ins of before hold until you unset"
    return f"{n} rows sealed anew; {then} API_SECRET_KEY_PREVIOUS"


async def _rotate_key_file(settings: Settings, *, forget: bool) -> str:
    """The keys are ours; processes read them when they start, so none may run."""
    await _require_stopped(settings)
    path, known = settings.data_dir / KEY_FILE, configuration.with_secret_key(settings)
    if forget:
        n = await _reencrypt(known)
        write_key_file(path, known.api_secret_key)
        return f"{n} rows sealed anew; the old key is forgotten"
    if not known.api_secret_key_previous or not await _count_stale(known):
        known = _with_new_key(known)
        write_key_file(path, known.api_secret_key, known.api_secret_key_previous)
    n = await _reencrypt(known)
    return f"{n} rows sealed anew; the old key is still known: --forget drops it"


def _with_new_key(settings: Settings) -> Settings:
    return replace(
        settings, api_secret_key=configuration.new_secret_key(), api_secret_key_previous=settings.api_secret_key
    )


async def _require_stopped(settings: Settings) -> None:
    """Processes that run by themselves say so in Redis. Raises BadSettings."""
    await queue.start(settings)
    try:
        running = [node.id for node in await nodes.list_alive()]
    except (RedisError, OSError):  # no Redis, no work
        running = []
    finally:
        await queue.stop()
    if running:
        raise BadSettings([f"DATA_DIR: its key is in use, stop these first: {', '.join(running)}"])


async def _count_stale(settings: Settings) -> int:
    """Rows that an interrupted rotation left."""
    sealing.prepare(settings)
    await db.start(settings)
    try:
        return await secret_rotation.count_stale()
    finally:
        await db.stop()


async def _reencrypt(settings: Settings) -> int:
    sealing.prepare(settings)
    await db.start(settings)
    try:
        done = await secret_rotation.reencrypt_all()
        if stale := await secret_rotation.count_stale():
            raise RotationIncomplete(f"{stale} rows can't be opened with either key; the old key must stay known")
    finally:
        await db.stop()
    return done


def write_key_file(path: Path, *keys: str) -> None:
    """Replace the key file as a whole: whoever reads it finds the old lines or the new ones."""
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
