"""The running processes: each one sends a heartbeat to Redis every few seconds."""

import asyncio
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from app import queue
from app.settings import Settings

KEY = "wk:node:"
HEARTBEAT_S = 5.0
TTL_S = 16  # three heartbeats may be missed
log = structlog.get_logger()


class Node(Struct, frozen=True, kw_only=True):
    """One process. `role` is api, scheduler or worker."""

    id: str
    role: str
    pid: int
    host: str
    started_at: datetime


def node_id(role: str) -> str:
    """This process's id."""
    return f"{role}-{socket.gethostname()}-{os.getpid()}"


def this_node(role: str) -> Node:
    """This process as a node."""
    return Node(id=node_id(role), role=role, pid=os.getpid(), host=socket.gethostname(), started_at=datetime.now(UTC))


async def register(role: str, settings: Settings) -> None:
    """Register this process as a node until cancelled. Redis may be away at times."""
    del settings  # for the cluster name and address, later
    node = this_node(role)
    try:
        await _send_heartbeats(node)
    finally:
        with suppress(RedisError, OSError):  # Redis away: the key expires
            await queue.client().delete(KEY + node.id)


async def list_alive() -> list[Node]:
    """Every node with a heartbeat within TTL_S, oldest first. Raises RedisError.

    Ignores keys that expire later than that: they were set while the clock was ahead, and a live node renews its key.
    """
    keys = [key async for key in queue.client().scan_iter(match=f"{KEY}*", count=500)]
    async with queue.client().pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.get(key)
            pipe.pttl(key)
        found = await pipe.execute()
    texts = [text for text, left_ms in zip(found[::2], found[1::2], strict=True) if text and left_ms <= TTL_S * 1_000]
    nodes = [msgspec.json.decode(text, type=Node) for text in texts]
    return sorted(nodes, key=lambda node: (node.started_at, node.id))


async def _send_heartbeats(node: Node) -> None:
    text, lost = msgspec.json.encode(node), False
    while True:
        try:
            await queue.client().set(KEY + node.id, text, ex=TTL_S)
            lost = False
        except (RedisError, OSError) as error:
            if not lost:
                log.warning("node.heartbeat_failed", node=node.id, reason=str(error))
            lost = True
        await asyncio.sleep(HEARTBEAT_S)
