"""A stand-in for https://example.com: a page, or no response while it hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Site:
    """A server on loopback with one page."""

    def __init__(self) -> None:
        self.url = ""
        self.hangs = False

    async def answer(self, _: web.Request) -> web.Response:
        """The page."""
        if self.hangs:
            await asyncio.sleep(3_600)
        return web.Response(text="<h1>Example Domain</h1>", content_type="text/html")


@asynccontextmanager
async def standing_in() -> AsyncIterator[Site]:
    """The site, listening."""
    site, app = Site(), web.Application()
    app.router.add_get("/", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield site
    finally:
        await runner.cleanup()
