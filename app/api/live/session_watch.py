"""Keeps the sockets of this process: a look at each session that has some, so that they end with it, and pings."""

import asyncio
from collections import defaultdict
from contextlib import suppress

import structlog

from app import db
from app.api.live.connection import CLOSING_S, RESTART, SIGNED_OUT, HangUp
from app.api.live.subscription import Caller
from app.errors import Unauthorized, Unavailable
from app.security.auth import principals
from app.security.limits.client_ip import address_of
from schema.users import Principal

PING_S = 25.0  # proxies close a connection on which nothing passes for a minute
LOOK_S = 0.5  # a session that ended is remembered for up to a second more

Whom = tuple[Principal, str]  # who is at the line, and at which address: a key may be good at some only

log = structlog.get_logger()


class Watch:
    """The callers of this process."""

    def __init__(self) -> None:
        self._callers: defaultdict[Whom, set[Caller]] = defaultdict(set)
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, caller: Caller) -> None:
        """Keep an eye on a caller."""
        self._callers[_whom(caller)].add(caller)
        self._empty.clear()

    def remove(self, caller: Caller) -> None:
        """Forget one that has left."""
        callers = self._callers[_whom(caller)]
        callers.discard(caller)
        if not callers:
            del self._callers[_whom(caller)]
        if not self._callers:
            self._empty.set()

    async def run(self) -> None:
        """Look, until cancelled. A database that is away ends nobody's session."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                for whom in tuple(self._callers):
                    await self._look(whom)
            except db.TROUBLE as error:
                log.warning("live.session_check_failed", reason=type(error).__name__)

    async def keep_alive(self) -> None:
        """Send every socket a ping frame now and then, until cancelled."""
        while True:
            await asyncio.sleep(PING_S)
            for caller in self._all():
                caller.ping()

    def _all(self) -> list[Caller]:
        return [caller for callers in self._callers.values() for caller in callers]

    async def _look(self, whom: Whom) -> None:
        """End the callers of a principal whose session has ended, or who may do other things than before."""
        callers, (principal, _) = tuple(self._callers.get(whom, ())), whom
        if callers and not await principals.still(callers[0].line.socket, principal):
            for caller in callers:
                caller.end(HangUp(SIGNED_OUT, Unauthorized(principals.ended(principal))))

    async def close(self) -> None:
        """Send everybody away, since this process ends; those who do not go soon are left to the server."""
        for caller in self._all():
            caller.end(HangUp(RESTART, Unavailable("This process ends: connect again.", retry_after_s=1)))
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await self._empty.wait()


def _whom(caller: Caller) -> Whom:
    return caller.principal, address_of(caller.line.socket)
