"""Ends the sockets of sessions that have ended: one look a second at each session, however many sockets it has."""

import asyncio
from collections import defaultdict

import structlog

from app import db
from app.api.caller import Caller
from app.security import principals
from schema.users import Principal

LOOK_S = 1.0

log = structlog.get_logger()


class Watch:
    """The callers of this process."""

    def __init__(self) -> None:
        self._callers: defaultdict[Principal, set[Caller]] = defaultdict(set)

    def add(self, caller: Caller) -> None:
        """Keep an eye on a caller."""
        self._callers[caller.principal].add(caller)

    def remove(self, caller: Caller) -> None:
        """Forget one that has left."""
        callers = self._callers[caller.principal]
        callers.discard(caller)
        if not callers:
            del self._callers[caller.principal]

    async def run(self) -> None:
        """Look, until cancelled. A database that is away ends nobody's session."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                for principal in tuple(self._callers):
                    await self._look(principal)
            except db.TROUBLE as error:
                log.warning("live.session_check_failed", reason=type(error).__name__)

    async def _look(self, principal: Principal) -> None:
        """End the callers of a principal whose session has ended or whose role has changed."""
        callers = tuple(self._callers.get(principal, ()))
        if callers and not await principals.still(callers[0].line.socket, principal):
            for caller in callers:
                caller.ended.set()
