"""`watchkeeper rotate-key`: encrypts all stored secrets with a new key. An interrupted rotation can be resumed.

The old key stays available, as the second line of `secret.key` or as API_SECRET_KEY_PREVIOUS, until `--forget`.
"""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from redis.exceptions import RedisError

from app import db, nodes, queue
from app.processes import preflight
from app.security.secrets import sealing
from app.settings import KEY_FILE, BadSettings, Settings, new_secret_key, with_secret_key
from app.store.system import secret_rotation

NO_NEW_KEY = (
    "API_SECRET_KEY_PREVIOUS: must be the old key, and API_SECRET_KEY the new one, in every process: set both,"
    " restart, and run this again"
)


class RotationIncomplete(Exception):  # noqa: N818  # a finding, not a bug
    """Some values are encrypted with neither key."""


def run(settings: Settings, *, forget: bool) -> str:
    """Rotate the key, or forget the old one; returns a sentence for the operator.

    raises    BadSettings when something must be set or stopped first, RotationIncomplete
    """
    if settings.api_secret_key:
        return asyncio.run(_rotate_environment_key(settings, forget=forget))
    handle = preflight.lock_data_dir(settings.data_dir)
    try:
        return asyncio.run(_rotate_key_file(settings, forget=forget))
    finally:
        os.close(handle)


async def _rotate_environment_key(settings: Settings, *, forget: bool) -> str:
    """The operator sets both keys: every running process has them, so none must stop."""
    if not settings.api_secret_key_previous:
        raise BadSettings([NO_NEW_KEY])
    n = await _reencrypt(settings)
    next_step = "unset" if forget else "sign-ins of before hold until you unset"
    return f"{n} rows sealed anew; {next_step} API_SECRET_KEY_PREVIOUS"


async def _rotate_key_file(settings: Settings, *, forget: bool) -> str:
    """Watchkeeper keeps the keys in a file that processes read when they start, so none may run."""
    await _require_stopped(settings)
    path, settings = settings.data_dir / KEY_FILE, with_secret_key(settings)
    if forget:
        n = await _reencrypt(settings)
        write_key_file(path, settings.api_secret_key)
        return f"{n} rows sealed anew; the old key is forgotten"
    if not settings.api_secret_key_previous or not await _count_stale(settings):
        new_key, old_key = new_secret_key(), settings.api_secret_key
        settings = replace(settings, api_secret_key=new_key, api_secret_key_previous=old_key)
        write_key_file(path, settings.api_secret_key, settings.api_secret_key_previous)
    n = await _reencrypt(settings)
    return f"{n} rows sealed anew; the old key is still known: --forget drops it"


async def _require_stopped(settings: Settings) -> None:
    """Raise BadSettings while a process runs; each one reports to Redis."""
    await queue.start(settings)
    try:
        running = [node.id for node in await nodes.list_alive()]
    except (RedisError, OSError):  # without Redis no process can work
        running = []
    finally:
        await queue.stop()
    if running:
        raise BadSettings([f"DATA_DIR: its key is in use, stop these first: {', '.join(running)}"])


async def _count_stale(settings: Settings) -> int:
    """How many rows an interrupted rotation left."""
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
        n_changed = await secret_rotation.reencrypt_all()
        if stale := await secret_rotation.count_stale():
            raise RotationIncomplete(f"{stale} rows can't be opened with either key; the old key must stay known")
    finally:
        await db.stop()
    return n_changed


def write_key_file(path: Path, *keys: str) -> None:
    """Replace the key file atomically."""
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
