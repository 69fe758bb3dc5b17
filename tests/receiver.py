"""A receiver of webhooks on loopback: records arrivals and their times, and answers as ordered.

In a test:             async with receiving() as receiver: …receiver.url…; await receiver.arrived(2)
In a process of its own:   python -m tests.receiver 8099
    GET    /_control/arrivals     everything that arrived
    DELETE /_control/arrivals     forget it
    PUT    /_control/orders       {"status": 429, "headers": {"Retry-After": "2"}, "times": 3} or {"hang": true};
                                  without `times`: until further orders
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web
from msgspec import Struct

ID_HEADER = "X-Webhook-Id"
HUNG = 0  # in the place of a status: no answer was given


class Order(Struct, frozen=True):
    """How to answer the next requests.

    times    how many of them; None: until further orders
    hang     never answer; the caller's time limit is what ends it
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: str = "{}"
    times: int | None = None
    hang: bool = False


class Arrival(Struct, frozen=True):
    """One request as it came.

    id          of the delivery; empty when the request had none
    at_s        epoch seconds
    answered    the status it got, HUNG for none
    """

    id: str
    at_s: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answered: int


class Receiver:
    """What arrived, and what to answer."""

    def __init__(self) -> None:
        self.url = ""
        self.arrivals: list[Arrival] = []
        self._orders: list[Order] = []
        self._more = asyncio.Event()
        self._closing = asyncio.Event()

    def answer(self, *orders: Order) -> None:
        """Obey these from now on, one after the other; when they are used up, answer 200."""
        self._orders = list(orders)

    def accepted(self) -> Counter[str]:
        """How often each delivery was answered with a 2xx: a value above one is a message that was received twice."""
        return Counter(one.id for one in self.arrivals if one.answered // 100 == 2)

    async def arrived(self, count: int = 1, within_s: float = 20.0) -> list[Arrival]:
        """Wait until that many requests came, and return all of them. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(self.arrivals) < count:
                self._more.clear()
                await self._more.wait()
        return list(self.arrivals)

    def close(self) -> None:
        """Let go of the requests that hang."""
        self._closing.set()

    async def take(self, request: web.Request) -> web.Response:
        """Remember a request, and answer as ordered."""
        body = await request.read()
        order = self._next_order()
        self.arrivals.append(_arrival(request, body, HUNG if order.hang else order.status))
        self._more.set()
        if order.hang:
            await self._closing.wait()
        return web.Response(status=order.status, headers=order.headers, text=order.body)

    async def show(self, _: web.Request) -> web.Response:
        """Everything that arrived, as JSON; bodies in base64."""
        return web.Response(body=msgspec.json.encode(self.arrivals), content_type="application/json")

    async def forget(self, _: web.Request) -> web.Response:
        """Forget what arrived."""
        self.arrivals.clear()
        return web.Response(status=204)

    async def obey(self, request: web.Request) -> web.Response:
        """Take an order over HTTP."""
        self.answer(msgspec.json.decode(await request.read(), type=Order))
        return web.Response(status=204)

    def _next_order(self) -> Order:
        if not self._orders:
            return Order()
        order = self._orders[0]
        if order.times is not None:
            left = [msgspec.structs.replace(order, times=order.times - 1)] if order.times > 1 else []
            self._orders[:1] = left
        return order


@asynccontextmanager
async def receiving(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver that listens; on a free port unless one is named."""
    receiver = Receiver()
    runner = web.AppRunner(_app(receiver), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    receiver.url = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        receiver.close()
        await runner.cleanup()


def _app(receiver: Receiver) -> web.Application:
    app = web.Application()
    app.router.add_get("/_control/arrivals", receiver.show)
    app.router.add_delete("/_control/arrivals", receiver.forget)
    app.router.add_put("/_control/orders", receiver.obey)
    app.router.add_route("*", "/{path:.*}", receiver.take)
    return app


def _arrival(request: web.Request, body: bytes, answered: int) -> Arrival:
    return Arrival(
        id=request.headers.get(ID_HEADER, ""),
        at_s=time.time(),
        method=request.method,
        path=request.raw_path,
        headers=dict(request.headers),
        body=body,
        answered=answered,
    )


async def _serve(port: int) -> None:
    async with receiving(port=port) as receiver:
        sys.stdout.write(f"{receiver.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
