"""Reads what waits on a queue, without taking it."""

from typing import TypeVar

import msgspec

from app import queue

J = TypeVar("J")


async def jobs_of(type_: type[J]) -> list[J]:
    """The waiting jobs of one kind, oldest first."""
    name = queue.QUEUES[type_]  # type: ignore[index]  # the three kinds of job
    ids = await queue.client().lrange(f"{queue.NAMESPACE}:{name}", 0, -1)
    bodies = [await queue.client().hget(f"{queue.NAMESPACE}:{name}.msgs", id_) for id_ in ids]
    return [msgspec.convert(msgspec.json.decode(body)["kwargs"], type_) for body in bodies]
