"""Keeps the sockets of this process: a look at each session that has some, so that they end with it, and pings."""

import asyncio
from collections import defaultdict
from contextlib import suppress

import structlog

from app import db
from app.api.live.connection import CLOSE_TIMEOUT_S, SERVICE_RESTART, UNAUTHENTICATED, CloseConnection
from app.api.live.subscription import Subscription
from app.errors import Unauthorized, Unavailable
from app.security.auth import principals
from app.security.limits.client_ip import address_of
from schema.users import Principal

PING_S = 25.0  # proxies close a connection on which nothing passes for a minute
CHECK_INTERVAL_S = 0.5  # a session that ended is remembered for up to a second more

SessionKey = tuple[Principal, str]  # who is at the line, and at which address: a key may be good at some only

log = structlog.get_logger()


class SessionWatch:
    """The callers of this process."""

    def __init__(self) -> None:
        self._subscriptions: defaultdict[SessionKey, set[Subscription]] = defaultdict(set)
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, subscription: Subscription) -> None:
        """Keep an eye on a caller."""
        self._subscriptions[_session_key(subscription)].add(subscription)
        self._empty.clear()

    def remove(self, subscription: Subscription) -> None:
        """Forget one that has left."""
        callers = self._subscriptions[_session_key(subscription)]
        callers.discard(subscription)
        if not callers:
            del self._subscriptions[_session_key(subscription)]
        if not self._subscriptions:
            self._empty.set()

    async def run(self) -> None:
        """Look, until cancelled. A database that is away ends nobody's session."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                for whom in tuple(self._subscriptions):
                    await self._check_session(whom)
            except db.TRANSIENT_ERRORS as error:
                log.warning("live.session_check_failed", reason=type(error).__name__)

    async def keep_alive(self) -> None:
        """Send every socket a ping frame now and then, until cancelled."""
        while True:
            await asyncio.sleep(PING_S)
            for caller in self._all_subscriptions():
                caller.ping()

    def _all_subscriptions(self) -> list[Subscription]:
        return [caller for callers in self._subscriptions.values() for caller in callers]

    async def _check_session(self, whom: SessionKey) -> None:
        """End the callers of a principal whose session has ended, or who may do other things than before."""
        callers, (principal, _) = tuple(self._subscriptions.get(whom, ())), whom
        if callers and not await principals.is_still_valid(callers[0].connection.socket, principal):
            for caller in callers:
                caller.close(CloseConnection(UNAUTHENTICATED, Unauthorized(principals.ended_message(principal))))

    async def close(self) -> None:
        """Send everybody away, since this process ends; those who do not go soon are left to the server."""
        for caller in self._all_subscriptions():
            caller.close(
                CloseConnection(SERVICE_RESTART, Unavailable("This process ends: connect again.", retry_after_s=1))
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._empty.wait()


def _session_key(subscription: Subscription) -> SessionKey:
    return subscription.principal, address_of(subscription.connection.socket)
