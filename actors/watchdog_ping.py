"""The dead man's switch: as long as all is well here, an address elsewhere is asked. When it stops, they ring.

Every worker would; who holds a key in Redis does. Nothing is asked while checks are late, jobs wait, results or alerts
do not arrive, or the database or Redis is away: silence is the alarm, so nothing need be sent when things go wrong.
"""

import asyncio

import aiohttp
import structlog
from redis.exceptions import RedisError

from actors.senders.kit.http import USER_AGENT
from actors.senders.kit.network_errors import describe_error
from app import clock, db, due_set, queue, self_checks
from app.domain.parsing.web_url import parse_url
from app.domain.system.self_checks import ALERTING_BLOCKED, MAX_LAG_S, MAX_QUEUE_AGE_S
from app.errors import Unavailable
from app.security.network.egress import EgressDenied

HOLDER_KEY = "wk:lifesign"
TIMEOUT_S = 10.0

log = structlog.get_logger()


async def run(node: str, url: str, interval_s: int, session: aiohttp.ClientSession) -> None:
    """Give a sign of life again and again, until cancelled; without an address never."""
    while url:
        try:
            if await _holds_lease(node, interval_s) and await is_healthy():
                await ping(url, session)
        except (RedisError, Unavailable, *db.TRANSIENT_ERRORS) as error:
            log.warning("lifesign.withheld", reason=type(error).__name__)
        await asyncio.sleep(interval_s)


async def is_healthy() -> bool:
    """Whether checks run in time. Raises RedisError, and Unavailable for the database."""
    await db.ping()
    await db.require_writable()
    oldest_ms = await due_set.oldest_due_ms()
    lag_s = (clock.now_ms() - oldest_ms) / 1000 if oldest_ms else 0.0
    waits_s = max([await queue.oldest_age_s(name) for name in set(queue.QUEUES.values())])
    if lag_s > MAX_LAG_S or waits_s > MAX_QUEUE_AGE_S:
        log.warning("lifesign.withheld", reason="late", lag_s=round(lag_s, 1), queue_age_s=round(waits_s, 1))
        return False
    if lasting := ALERTING_BLOCKED & await self_checks.list_problems():
        log.warning("lifesign.withheld", reason=", ".join(sorted(lasting)))
        return False
    return True


async def ping(url: str, session: aiohttp.ClientSession) -> None:
    """Ask the address once; what goes wrong is logged, and tried again at the next time."""
    try:
        limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with session.get(
            parse_url(url), allow_redirects=False, timeout=limit, headers={"User-Agent": USER_AGENT}
        ) as got:
            if not got.ok:
                log.warning("lifesign.refused", status=got.status)
    except (aiohttp.ClientError, OSError) as error:
        log.warning("lifesign.not_given", reason=describe_error(error))
    except EgressDenied as refused:
        log.warning("lifesign.not_given", reason=str(refused))


async def _holds_lease(node: str, every_s: int) -> bool:
    """Whether this worker gives it: the first one of those that are there, until it is not."""
    client, mine = queue.client(), node.encode()
    if await client.set(HOLDER_KEY, mine, nx=True, ex=2 * every_s + 5):
        return True
    is_lasting = not 0 <= await client.ttl(HOLDER_KEY) <= 2 * every_s + 5  # of a clock that was ahead
    if await client.get(HOLDER_KEY) != mine and not is_lasting:
        return False
    await client.set(HOLDER_KEY, mine)
    await client.expire(HOLDER_KEY, 2 * every_s + 5)
    return True
