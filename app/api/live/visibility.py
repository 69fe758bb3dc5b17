"""Filters a socket's messages by the monitors that its principal may see.

The visible monitors are queried once a second per set of tags, however many sockets and messages there are, and again
when an event reports that a monitor was added or changed. If the query fails, the connection is closed.
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

CACHE_S = 1.0  # how long a monitor that lost its tag may still be visible; the same as for an ended session
VISIBLE_TO_ALL = frozenset(  # events without a monitor that everybody may see
    {
        EventKind.SCHEDULE_LAG,
        EventKind.INCIDENT_OPENED,
        EventKind.INCIDENT_ACKNOWLEDGED,
        EventKind.INCIDENT_RESOLVED,
    }
)
VISIBILITY_CHANGES = frozenset({EventKind.MONITOR_CREATED, EventKind.MONITOR_UPDATED})  # these may change who sees it


async def filter_for(visible_to: TagScope) -> MessageFilter:
    """The filter for a principal; principals with the same tags share one. Raises CloseConnection as `visible_text`."""
    if visible_to is None:
        return unfiltered_text
    tag_filter = _filters.get(visible_to)
    if tag_filter is None:
        tag_filter = _filters[visible_to] = VisibilityFilter(visible_to)
    await tag_filter.load()
    return tag_filter.visible_text


class VisibilityFilter:
    """Reduces messages to the monitors with one of these tags.

    _visible_before    the monitors of the previous query, which include one that was deleted since
    """

    def __init__(self, tags: frozenset[str]) -> None:
        self._tags = tags
        self._visible: frozenset[str] = frozenset()
        self._visible_before: frozenset[str] = frozenset()
        self._fresh_until = 0.0
        self._refresh_lock = asyncio.Lock()
        self._last: tuple[LiveMessage, frozenset[str], str] | None = None

    async def load(self) -> None:
        """Query once before the first message, which may delete a monitor. Raises CloseConnection as `visible_text`."""
        await self._refresh()

    async def visible_text(self, message: LiveMessage) -> str:
        """The visible part of a message; may be empty. Raises CloseConnection if the database is not responding."""
        if message.channel in {EVENTS, INCIDENTS}:
            return await self._visible_event(message)
        return await self._visible_heartbeats(message)

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
        visible = self._visible | self._visible_before if subject.event == EventKind.MONITOR_DELETED else self._visible
        return message.text if subject.monitor_id in visible else ""

    async def _refresh(self, *, force: bool = False) -> None:
        """Query the visible monitors, unless the last query is recent. `force` after a change of a monitor."""
        async with self._refresh_lock:
            if not force and monotonic() < self._fresh_until:
                return
            queried_at = monotonic()
            visible = await self._query_visible()
            self._visible_before = visible if force else self._visible
            self._visible = self._visible if visible == self._visible else visible
            self._fresh_until = queried_at + CACHE_S

    async def _query_visible(self) -> frozenset[str]:
        try:
            return await visibility.visible_monitor_ids(self._tags)
        except db.TRANSIENT_ERRORS as error:
            raise CloseConnection(
                TRY_AGAIN_LATER, Unavailable("The database is not responding.", retry_after_s=5)
            ) from error


_filters: WeakValueDictionary[frozenset[str], VisibilityFilter] = WeakValueDictionary()
