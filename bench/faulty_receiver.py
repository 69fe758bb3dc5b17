"""A webhook receiver with failure modes: it accepts, fails, hangs, answers too late, asks to wait, or is unreachable.

It prints its control port. Deliveries go to a second port, which it can close.

GET /delivery-port          {"port": …} where deliveries go
GET /mode/<mode>   ok, fails (500), hangs (accepts and never answers), late (accepts, and answers when the sender has
                   given up), busy (429, Retry-After: 2), refuses (port closed)
GET /log           the deliveries it accepted, as `bench.receiver` lists them; not those it answered with 500 or 429
GET /reset         clears the log
"""

import asyncio
from weakref import WeakSet

import msgspec
import uvloop

from bench import wire
from bench.receiver import Receiver

MODES = ("ok", "fails", "hangs", "late", "busy", "refuses")
LATE_S = 22.0  # the product waits 20 s for an answer
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nbusy"


class FaultyReceiver(Receiver):
    """The mode it is in, and the port it can close."""

    def __init__(self) -> None:
        super().__init__()
        self.mode, self.port = "ok", 0
        self._delivery_server: asyncio.Server | None = None
        self._callers: WeakSet[wire.Wire] = WeakSet()
        self._obeying: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen for deliveries, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._delivery_server = await loop.create_server(self._called, "127.0.0.1", self.port, backlog=wire.BACKLOG)
        self.port = self._delivery_server.sockets[0].getsockname()[1]

    def _called(self) -> wire.Wire:
        caller = wire.Wire(self.take)
        self._callers.add(caller)
        return caller

    def take(self, asker: wire.Wire, head: bytes, body: bytes) -> None:
        """Answer a delivery according to the mode."""
        if self.mode in {"fails", "busy"}:
            asker.send(FAILED if self.mode == "fails" else BUSY)
            return
        self.record(head, body, is_answered=self.mode == "ok")
        if self.mode == "ok":
            asker.send(wire.OK)
        elif self.mode == "late":
            asyncio.get_running_loop().call_later(LATE_S, asker.send, wire.OK)

    def control(self, asker: wire.Wire, head: bytes, body: bytes) -> None:
        """Answer a control request."""
        del body
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/mode/"):
            obeying = asyncio.create_task(self._become(asker, path[6:].decode()))
            self._obeying.add(obeying)
            obeying.add_done_callback(self._obeying.discard)
        else:
            asker.send(
                wire.reply(
                    msgspec.json.encode({"port": self.port}) if path == b"/delivery-port" else self.respond(path)
                )
            )

    async def _become(self, asker: wire.Wire, mode: str) -> None:
        """Change the mode; who is connected when the port closes is cut off."""
        self.mode = mode
        if mode == "refuses" and self._delivery_server is not None:
            self._delivery_server.close()
            self._delivery_server = None
            for caller in list(self._callers):
                caller.cut()
        elif mode != "refuses" and self._delivery_server is None:
            await self.open()
        asker.send(wire.reply(b"{}"))


async def serve() -> None:
    """Listen for deliveries and wait for control requests."""
    faulty = FaultyReceiver()
    await faulty.open()
    await wire.serve(faulty.control)


if __name__ == "__main__":
    uvloop.run(serve())
