"""Valkey's files are damaged while it is off; its keys are replaced while it runs."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from app import settings
from bench.faults.world.scenario import Fault, Scenario
from bench.faults.world.stage import World

KEYS = ("wk:flight", "wk:slot", "wk:plan", "wk:due:1", "wk:q:check", "wk:q:check.msgs")
NOISE = 80  # bytes

Damage = Callable[[Path, World], None]


def scenarios() -> list[Scenario]:
    """Each key by itself, and each way in which the files may be found after a power cut."""
    keys = [
        Scenario(name=f"{key} of a wrong type", fault=_of_wrong_type(key), is_short=key == "wk:due:1") for key in KEYS
    ]
    return [
        *keys,
        Scenario(name="Valkey's manifest emptied", fault=_damaged(_emptied), is_short=True),
        Scenario(name="Valkey's manifest overwritten", fault=_damaged(_overwritten)),
        Scenario(name="Valkey's base file removed", fault=_damaged(_base_removed)),
        Scenario(name="a file in place of Valkey's directory", fault=_damaged(_replaced)),
    ]


def _of_wrong_type(key: str) -> Fault:
    @asynccontextmanager
    async def fault(world: World) -> AsyncIterator[None]:
        installation = world.scene.installation
        client = Redis.from_url(settings.read_settings(installation.environ, installation.folder).redis_url)
        async with client.pipeline() as both:  # in one transaction: no process recreates it in between
            both.delete(key)
            both.set(key, "somebody else's")
            await both.execute()
        await client.aclose()
        yield

    return fault


def _damaged(damage: Damage) -> Fault:
    @asynccontextmanager
    async def fault(world: World) -> AsyncIterator[None]:
        await world.scene.installation.crash()
        damage(world.data / "valkey" / "appendonlydir", world)
        await world.scene.installation.start()
        yield

    return fault


def _only(files: Path, pattern: str) -> Path:
    return next(iter(files.glob(pattern)))


def _emptied(files: Path, world: World) -> None:
    del world
    _only(files, "*.manifest").write_bytes(b"")


def _overwritten(files: Path, world: World) -> None:
    _only(files, "*.manifest").write_bytes(world.chance.randbytes(NOISE))


def _base_removed(files: Path, world: World) -> None:
    del world
    _only(files, "*.base.*").unlink()


def _replaced(files: Path, world: World) -> None:
    del world
    shutil.rmtree(files)
    files.write_bytes(b"")
