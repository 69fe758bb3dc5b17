"""Shared by the tests of live messages: events to publish, listeners, and a Valkey that can be stopped."""

import asyncio
import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app import embedded_valkey
from app.live.hub import Hub
from app.live.subscriber import LiveSubscriber
from schema.events import Event, EventKind
from schema.heartbeats import Heartbeat
from schema.status import Status

ONE, TWO = (str(uuid.UUID(int=number)) for number in (1, 2))
AT = datetime(2026, 11, 22, tzinfo=UTC)


def beat(monitor_id: str = ONE, **changes: Any) -> Heartbeat:
    """An everyday heartbeat."""
    facts: dict[str, Any] = {"status": Status.UP, "raw_status": Status.UP, "ping": 1.5, "msg": "200 OK"}
    return Heartbeat(**{"id": "1", "monitor_id": monitor_id, "time": AT, "important": False, **facts, **changes})


def event(kind: EventKind = EventKind.MONITOR_DOWN) -> Event:
    """An event of monitor one."""
    return Event(id=str(uuid.uuid4()), event=kind, at=AT, monitor_id=ONE, data={"msg": "refused"})


class Listener:
    """Follows channels and remembers what it was sent."""

    def __init__(self, hub: Hub) -> None:
        self.messages: list[dict[str, Any]] = []
        self.reader = LiveSubscriber(self._receive)
        self._hub = hub
        self._task = asyncio.create_task(self.reader.run())

    async def _receive(self, text: str) -> None:
        self.messages.append(msgspec.json.decode(text))

    def follow(self, *channels: str) -> "Listener":
        """Join."""
        for channel in channels:
            self._hub.subscribe(channel, self.reader)
        return self

    async def until(self, count: int) -> list[dict[str, Any]]:
        """The first so many messages, as soon as they are there."""
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                await asyncio.sleep(0.01)
        return self.messages

    @property
    def types(self) -> list[str]:
        """The types of what was received, in order."""
        return [one["type"] for one in self.messages]

    def close(self) -> None:
        """Listen no more."""
        self._task.cancel()


class Stoppable:
    """A durable Valkey of one test."""

    def __init__(self, place: Path) -> None:
        self.listen = place / "valkey.sock"
        self._command = embedded_valkey.build_command(place, self.listen)
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._server = subprocess.Popen(self._command)
        for _ in range(500):
            if embedded_valkey.is_ready(self.listen):
                return
            time.sleep(0.02)
        pytest.fail("Valkey did not answer within 10 s")

    def stop(self) -> None:
        """Stop, as an operator would."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=10)
            self._server = None
