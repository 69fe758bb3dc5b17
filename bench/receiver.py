"""A webhook receiver: answers 200 and records each delivery with its idempotency key and time.

POST /anything      a delivery
GET /log            the deliveries since the last reset
GET /reset          forgets them
"""

import sys
import time
from datetime import datetime

import msgspec

from bench import wire


class Delivery(msgspec.Struct):
    """One delivery as it arrived.

    id       of the delivery: the same on every retry
    event    monitor.down, monitor.up, …
    name     of the monitor
    at_ms    the event's timestamp; arrived_ms: when it was received
    started_ms  when its outage began; 0 when it has none
    recipient   of several; empty: the receiver is one
    is_answered   the sender was told in time that it arrived, unless it was killed
    """

    id: str
    event: str
    name: str
    at_ms: float
    arrived_ms: float
    started_ms: float = 0.0
    recipient: str = ""
    is_answered: bool = True


class _Monitor(msgspec.Struct):
    name: str = ""


class _Data(msgspec.Struct):
    monitor: _Monitor = msgspec.field(default_factory=_Monitor)
    started_at: datetime | None = None


class _Body(msgspec.Struct):
    event: str
    timestamp: datetime
    data: _Data = msgspec.field(default_factory=_Data)


class Receiver:
    """Raw deliveries; they are parsed on request, so that receiving costs little."""

    def __init__(self) -> None:
        self.raw: list[tuple[bytes, bytes, float, bool]] = []

    def serve(self, asker: wire.Wire, head: bytes, body: bytes) -> None:
        """Record a delivery, or answer a control request."""
        if head.startswith(b"POST"):
            self.record(head, body)
            asker.send(wire.OK)
        else:
            asker.send(wire.reply(self.respond(head.split(b" ", 2)[1])))

    def record(self, head: bytes, body: bytes, *, is_answered: bool = True) -> None:
        """Keep a delivery."""
        self.raw.append((head, body, time.time() * 1000, is_answered))

    def respond(self, path: bytes) -> bytes:
        """The log, or nothing after forgetting it."""
        if path == b"/reset":
            self.raw.clear()
            return b"{}"
        return msgspec.json.encode([read(*one) for one in self.raw])


def read(head: bytes, body: bytes, arrived_ms: float, is_answered: bool) -> Delivery:  # noqa: FBT001  # as it is kept
    """Make sense of a delivery."""
    parsed = msgspec.json.decode(body, type=_Body)
    return Delivery(
        header(head, "x-webhook-id"),
        parsed.event,
        parsed.data.monitor.name,
        parsed.timestamp.timestamp() * 1000,
        arrived_ms,
        parsed.data.started_at.timestamp() * 1000 if parsed.data.started_at else 0.0,
        is_answered=is_answered,
    )


def header(head: bytes, name: str) -> str:
    """The value of a header; empty when it is absent."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


if __name__ == "__main__":
    wire.run(Receiver().serve, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
