"""What a socket is shown whose principal sees some monitors only: heartbeats and events of those, and no others.

Which monitors these are is asked once a second and set of tags, however many sockets and messages there are, and once
more when an event says that a monitor was added or changed. Who can't be told for certain is hung up on.
"""

import asyncio
from time import monotonic
from weakref import WeakValueDictionary

from app import db
from app.api.live.connection import TRY_AGAIN_LATER, CloseConnection
from app.errors import Unavailable
from app.live import filters
from app.live.channels import EVENTS, INCIDENTS
from app.live.subscriber import LiveMessage, MessageFilter, unfiltered_text
from app.store import visibility
from app.store.visibility import TagScope
from schema.events import EventKind

CACHE_S = 1.0  # how long a monitor that lost its tag may still be shown, as long as a session that ended
VISIBLE_TO_ALL = frozenset(  # events of no monitor that everybody is shown
    {
        EventKind.SCHEDULE_LAG,
        EventKind.INCIDENT_OPENED,
        EventKind.INCIDENT_ACKNOWLEDGED,
        EventKind.INCIDENT_RESOLVED,
    }
)
VISIBILITY_CHANGES = frozenset(
    {EventKind.MONITOR_CREATED, EventKind.MONITOR_UPDATED}
)  # who sees a monitor may be another then


async def filter_for(visible_to: TagScope) -> MessageFilter:
    """What somebody is shown; those who see by the same tags share it. Raises HangUp as `Sight.show` does."""
    if visible_to is None:
        return unfiltered_text
    sight_of_tags = _filters.get(visible_to)
    if sight_of_tags is None:
        sight_of_tags = _filters[visible_to] = VisibilityFilter(visible_to)
    await sight_of_tags.load()
    return sight_of_tags.visible_text


class VisibilityFilter:
    """The monitors that bear one of some tags, and what they leave of messages.

    before    those of the look before; a monitor that was removed is among them, and nowhere else any more
    """

    def __init__(self, tags: frozenset[str]) -> None:
        self._tags = tags
        self._visible: frozenset[str] = frozenset()
        self._visible_before: frozenset[str] = frozenset()
        self._fresh_until = 0.0
        self._refresh_lock = asyncio.Lock()
        self._last: tuple[LiveMessage, frozenset[str], str] | None = None

    async def load(self) -> None:
        """Look once before the first message: what is removed by it was seen then. Raises HangUp as `show` does."""
        await self._refresh()

    async def visible_text(self, message: LiveMessage) -> str:
        """What is shown of a message; empty: nothing. Raises HangUp when the database does not answer."""
        return await (
            self._visible_event(message)
            if message.channel in {EVENTS, INCIDENTS}
            else self._visible_heartbeats(message)
        )

    async def _visible_heartbeats(self, message: LiveMessage) -> str:
        await self._refresh()
        if self._last is None or self._last[0] is not message or self._last[1] is not self._visible:
            self._last = (message, self._visible, filters.filter_by_monitors(message.text, self._visible))
        return self._last[2]

    async def _visible_event(self, message: LiveMessage) -> str:
        subject = filters.subject_of(message.text)
        if subject.monitor_id is None:
            return message.text if subject.event in VISIBLE_TO_ALL else ""
        await self._refresh(force=subject.event in VISIBILITY_CHANGES)
        seen = self._visible | self._visible_before if subject.event == EventKind.MONITOR_DELETED else self._visible
        return message.text if subject.monitor_id in seen else ""

    async def _refresh(self, *, force: bool = False) -> None:
        """Ask which monitors are seen, unless it is known. After a change nothing counts that was known before."""
        async with self._refresh_lock:
            if not force and monotonic() < self._fresh_until:
                return
            asked_at = monotonic()
            seen = await self._query_visible()
            self._visible_before = seen if force else self._visible
            self._visible = self._visible if seen == self._visible else seen
            self._fresh_until = asked_at + CACHE_S

    async def _query_visible(self) -> frozenset[str]:
        try:
            return await visibility.visible_monitor_ids(self._tags)
        except db.TRANSIENT_ERRORS as error:
            raise CloseConnection(
                TRY_AGAIN_LATER, Unavailable("The database does not answer.", retry_after_s=5)
            ) from error


_filters: WeakValueDictionary[frozenset[str], VisibilityFilter] = WeakValueDictionary()
