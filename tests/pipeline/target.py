"""A loopback HTTP target that can be made to fail, and counts its requests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Target:
    """Answers 200 while it is well, 503 while it is not, and nothing at all while it hangs."""

    def __init__(self) -> None:
        self.url = ""
        self.well, self.hangs = True, False
        self.requests: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        """One check."""
        self.requests[request.path] += 1
        if self.hangs:
            await asyncio.sleep(3_600)
        return web.Response(status=200 if self.well else 503)


@asynccontextmanager
async def watched() -> AsyncIterator[Target]:
    """The target, listening."""
    target, app = Target(), web.Application()
    app.router.add_get("/{name:.*}", target.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    target.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield target
    finally:
        await runner.cleanup()
