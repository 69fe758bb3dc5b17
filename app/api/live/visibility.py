"""What a socket is shown whose principal sees some monitors only: heartbeats and events of those, and no others.

Which monitors these are is asked once a second and set of tags, however many sockets and messages there are, and once
more when an event says that a monitor was added or changed. Who can't be told for certain is hung up on.
"""

import asyncio
from time import monotonic
from weakref import WeakValueDictionary

from app import db
from app.api.live.connection import TRY_LATER, HangUp
from app.errors import Unavailable
from app.live import filters
from app.live.channels import EVENTS, INCIDENTS
from app.live.subscriber import Message, Show, whole
from app.store import visibility
from app.store.visibility import Seeing
from schema.events import EventKind

REMEMBERED_S = 1.0  # how long a monitor that lost its tag may still be shown, as long as a session that ended
TO_ALL = frozenset(  # events of no monitor that everybody is shown
    {
        EventKind.SCHEDULE_LAG,
        EventKind.INCIDENT_OPENED,
        EventKind.INCIDENT_ACKNOWLEDGED,
        EventKind.INCIDENT_RESOLVED,
    }
)
CHANGING = frozenset({EventKind.MONITOR_CREATED, EventKind.MONITOR_UPDATED})  # who sees a monitor may be another then


async def of(seen_by: Seeing) -> Show:
    """What somebody is shown; those who see by the same tags share it. Raises HangUp as `Sight.show` does."""
    if seen_by is None:
        return whole
    sight_of_tags = _sights.get(seen_by)
    if sight_of_tags is None:
        sight_of_tags = _sights[seen_by] = Sight(seen_by)
    await sight_of_tags.begin()
    return sight_of_tags.show


class Sight:
    """The monitors that bear one of some tags, and what they leave of messages.

    before    those of the look before; a monitor that was removed is among them, and nowhere else any more
    """

    def __init__(self, tags: frozenset[str]) -> None:
        self._tags = tags
        self._seen: frozenset[str] = frozenset()
        self._before: frozenset[str] = frozenset()
        self._until = 0.0
        self._asking = asyncio.Lock()
        self._last: tuple[Message, frozenset[str], str] | None = None

    async def begin(self) -> None:
        """Look once before the first message: what is removed by it was seen then. Raises HangUp as `show` does."""
        await self._look()

    async def show(self, message: Message) -> str:
        """What is shown of a message; empty: nothing. Raises HangUp when the database does not answer."""
        return await (self._event(message) if message.channel in {EVENTS, INCIDENTS} else self._heartbeats(message))

    async def _heartbeats(self, message: Message) -> str:
        await self._look()
        if self._last is None or self._last[0] is not message or self._last[1] is not self._seen:
            self._last = (message, self._seen, filters.of_monitors(message.text, self._seen))
        return self._last[2]

    async def _event(self, message: Message) -> str:
        subject = filters.subject_of(message.text)
        if subject.monitor_id is None:
            return message.text if subject.event in TO_ALL else ""
        await self._look(anew=subject.event in CHANGING)
        seen = self._seen | self._before if subject.event == EventKind.MONITOR_DELETED else self._seen
        return message.text if subject.monitor_id in seen else ""

    async def _look(self, *, anew: bool = False) -> None:
        """Ask which monitors are seen, unless it is known. After a change nothing counts that was known before."""
        async with self._asking:
            if not anew and monotonic() < self._until:
                return
            asked_at = monotonic()
            seen = await self._asked()
            self._before = seen if anew else self._seen
            self._seen = self._seen if seen == self._seen else seen
            self._until = asked_at + REMEMBERED_S

    async def _asked(self) -> frozenset[str]:
        try:
            return await visibility.monitors(self._tags)
        except db.TROUBLE as error:
            raise HangUp(TRY_LATER, Unavailable("The database does not answer.", retry_after_s=5)) from error


_sights: WeakValueDictionary[frozenset[str], Sight] = WeakValueDictionary()
