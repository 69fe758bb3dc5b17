"""The dead man's switch: as long as all is well here, an address elsewhere is asked. When it stops, they ring.

Every worker would; who holds a key in Redis does. Nothing is asked while checks are late, jobs wait, results or alerts
do not arrive, or the database or Redis is away: silence is the alarm, so nothing need be sent when things go wrong.
"""

import asyncio

import aiohttp
import structlog
from redis.exceptions import RedisError

from actors.senders.kit.http import USER_AGENT
from actors.senders.kit.network_errors import trouble
from app import db, due_set, queue, self_checks
from app.domain.parsing.web_url import web_url
from app.domain.system.self_checks import BLINDING, LAG_S, QUEUE_S
from app.errors import Unavailable
from app.security.network.egress import Refused

HOLDER = "wk:lifesign"
PATIENCE_S = 10.0

log = structlog.get_logger()


async def keep_giving(node: str, url: str, every_s: int, session: aiohttp.ClientSession) -> None:
    """Give a sign of life again and again, until cancelled; without an address never."""
    while url:
        try:
            if await _is_ours_to_give(node, every_s) and await all_is_well():
                await give(url, session)
        except (RedisError, Unavailable, *db.TROUBLE) as error:
            log.warning("lifesign.withheld", reason=type(error).__name__)
        await asyncio.sleep(every_s)


async def all_is_well() -> bool:
    """Whether checks run in time. Raises RedisError, and Unavailable for the database."""
    await db.ping()
    await db.require_writable()
    oldest_ms = await due_set.oldest_due_ms()
    lag_s = (due_set.now_ms() - oldest_ms) / 1000 if oldest_ms else 0.0
    waits_s = max([await queue.age_s(name) for name in set(queue.QUEUES.values())])
    if lag_s > LAG_S or waits_s > QUEUE_S:
        log.warning("lifesign.withheld", reason="late", lag_s=round(lag_s, 1), queue_age_s=round(waits_s, 1))
        return False
    if lasting := BLINDING & await self_checks.lasting():
        log.warning("lifesign.withheld", reason=", ".join(sorted(lasting)))
        return False
    return True


async def give(url: str, session: aiohttp.ClientSession) -> None:
    """Ask the address once; what goes wrong is logged, and tried again at the next time."""
    try:
        limit = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with session.get(
            web_url(url), allow_redirects=False, timeout=limit, headers={"User-Agent": USER_AGENT}
        ) as got:
            if not got.ok:
                log.warning("lifesign.refused", status=got.status)
    except (aiohttp.ClientError, OSError) as error:
        log.warning("lifesign.not_given", reason=trouble(error))
    except Refused as refused:
        log.warning("lifesign.not_given", reason=str(refused))


async def _is_ours_to_give(node: str, every_s: int) -> bool:
    """Whether this worker gives it: the first one of those that are there, until it is not."""
    client, mine = queue.client(), node.encode()
    if await client.set(HOLDER, mine, nx=True, ex=2 * every_s + 5):
        return True
    is_lasting = not 0 <= await client.ttl(HOLDER) <= 2 * every_s + 5  # of a clock that was ahead
    if await client.get(HOLDER) != mine and not is_lasting:
        return False
    await client.set(HOLDER, mine)
    await client.expire(HOLDER, 2 * every_s + 5)
    return True
