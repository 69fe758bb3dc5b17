"""Dead man's switch: pings an external URL while we are healthy. When the pings stop, that service alerts.

The worker that holds a lease in Redis pings. It does not while checks are late, jobs wait, results or alerts do not
arrive, or the database or Redis is unavailable: a missing ping is the alert.
"""

import asyncio

import aiohttp
import structlog
from redis.exceptions import RedisError

from actors.senders.kit.http import USER_AGENT
from actors.senders.kit.network_errors import describe_error
from app import clock, db, due_set, leases, queue, self_checks
from app.domain.parsing.web_url import parse_url
from app.domain.system.self_checks import ALERTING_BLOCKED, MAX_LAG_S, MAX_QUEUE_AGE_S
from app.errors import Unavailable
from app.security.network.egress import EgressDenied

HOLDER_KEY = "wk:lifesign"
TIMEOUT_S = 10.0

log = structlog.get_logger()


async def run(node: str, url: str, interval_s: int, session: aiohttp.ClientSession) -> None:
    """Ping until cancelled; returns at once without a URL."""
    lease_ms = (2 * interval_s + 5) * 1_000  # one ping may be missed
    while url:
        try:
            if await leases.acquire(HOLDER_KEY, node, lease_ms) and await is_healthy():
                await ping(url, session)
        except (RedisError, Unavailable, *db.TRANSIENT_ERRORS) as error:
            log.warning("watchdog.ping_skipped", reason=type(error).__name__)
        await asyncio.sleep(interval_s)


async def is_healthy() -> bool:
    """Whether checks run on time and no self-check fails. Raises RedisError, and Unavailable for the database."""
    await db.ping()
    await db.require_writable()
    oldest_ms = await due_set.oldest_due_ms()
    lag_s = (clock.now_ms() - oldest_ms) / 1000 if oldest_ms else 0.0
    queue_age_s = max([await queue.oldest_age_s(name) for name in set(queue.QUEUES.values())])
    if lag_s > MAX_LAG_S or queue_age_s > MAX_QUEUE_AGE_S:
        log.warning("watchdog.ping_skipped", reason="late", lag_s=round(lag_s, 1), queue_age_s=round(queue_age_s, 1))
        return False
    if problems := ALERTING_BLOCKED & await self_checks.list_problems():
        log.warning("watchdog.ping_skipped", reason=", ".join(sorted(problems)))
        return False
    return True


async def ping(url: str, session: aiohttp.ClientSession) -> None:
    """Send one GET request. Failures are logged; the next ping is the retry."""
    try:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with session.get(
            parse_url(url), allow_redirects=False, timeout=timeout, headers={"User-Agent": USER_AGENT}
        ) as response:
            if not response.ok:
                log.warning("watchdog.ping_rejected", status=response.status)
    except (aiohttp.ClientError, OSError) as error:
        log.warning("watchdog.ping_failed", reason=describe_error(error))
    except EgressDenied as error:
        log.warning("watchdog.ping_failed", reason=str(error))
