"""Watches the sessions behind open sockets, closes sockets whose session ended, and sends pings."""

import asyncio
from collections import defaultdict
from contextlib import suppress

import structlog

from app import db
from app.api.live.connection import CLOSE_TIMEOUT_S, SERVICE_RESTART, UNAUTHENTICATED, CloseConnection
from app.api.live.subscription import Subscription
from app.errors import Unauthorized, Unavailable
from app.security.auth import principals
from app.security.limits.proxy_headers import address_of
from schema.users import Principal

PING_S = 25.0  # proxies close a connection that is idle for a minute
CHECK_INTERVAL_S = 0.5  # an ended session is cached for up to a second more

SessionKey = tuple[Principal, str]  # with the client's address, since an API key may be valid from some addresses only

log = structlog.get_logger()


class SessionWatch:
    """The subscriptions of this process, by session."""

    def __init__(self) -> None:
        self._subscriptions: defaultdict[SessionKey, set[Subscription]] = defaultdict(set)
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, subscription: Subscription) -> None:
        """Start watching a subscription."""
        self._subscriptions[_session_key(subscription)].add(subscription)
        self._empty.clear()

    def remove(self, subscription: Subscription) -> None:
        """Stop watching a subscription that has ended."""
        subscriptions = self._subscriptions[_session_key(subscription)]
        subscriptions.discard(subscription)
        if not subscriptions:
            del self._subscriptions[_session_key(subscription)]
        if not self._subscriptions:
            self._empty.set()

    async def run(self) -> None:
        """Check all sessions, until cancelled. While the database is unavailable, no session is ended."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            try:
                for key in tuple(self._subscriptions):
                    await self._check_session(key)
            except db.TRANSIENT_ERRORS as error:
                log.warning("live.session_check_failed", error=type(error).__name__)

    async def keep_alive(self) -> None:
        """Send every socket a ping frame each PING_S, until cancelled."""
        while True:
            await asyncio.sleep(PING_S)
            for subscription in self._all_subscriptions():
                subscription.ping()

    def _all_subscriptions(self) -> list[Subscription]:
        return [subscription for subscriptions in self._subscriptions.values() for subscription in subscriptions]

    async def _check_session(self, key: SessionKey) -> None:
        """Close the subscriptions of a principal whose session has ended or whose permissions changed."""
        principal, subscriptions = key[0], tuple(self._subscriptions.get(key, ()))
        if subscriptions and not await principals.is_still_valid(subscriptions[0].connection.socket, principal):
            for subscription in subscriptions:
                subscription.close(CloseConnection(UNAUTHENTICATED, Unauthorized(principals.ended_message(principal))))

    async def close(self) -> None:
        """Close all connections, since this process ends. After CLOSE_TIMEOUT_S the rest is left to the server."""
        for subscription in self._all_subscriptions():
            subscription.close(
                CloseConnection(
                    SERVICE_RESTART, Unavailable("The server is shutting down. Connect again.", retry_after_s=1)
                )
            )
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._empty.wait()


def _session_key(subscription: Subscription) -> SessionKey:
    return subscription.principal, address_of(subscription.connection.socket)
