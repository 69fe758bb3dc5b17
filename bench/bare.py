"""The yardstick: CPU per request of an aiohttp client on uvloop that does nothing else, a new connection each time.

python -m bench.bare <url> <requests> <at once>      prints CPU milliseconds per request
"""

import asyncio
import sys
import time

import aiohttp
import uvloop


async def asking(session: aiohttp.ClientSession, url: str, times: int) -> None:
    """One after the other, each on its own connection."""
    for number in range(times):
        async with session.get(f"{url}/{number}") as answer:
            await answer.read()


async def cost_ms(url: str, requests: int, at_once: int) -> float:
    """CPU milliseconds of this process per request."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asking(session, url, 100)  # imports, caches and the first connections are not measured
        began = time.process_time()
        await asyncio.gather(*(asking(session, url, requests // at_once) for _ in range(at_once)))
        return (time.process_time() - began) * 1000 / (requests // at_once * at_once)


if __name__ == "__main__":
    print(uvloop.run(cost_ms(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))), flush=True)
