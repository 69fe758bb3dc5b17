"""Decides which channels receive an event, by their patterns and by their links to its monitor. Pure."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from app.domain.alerting import alarms
from app.domain.alerting.alarms import SYSTEM_PREFIX
from schema.events import EventKind

UNROUTED = (EventKind.TEST,)  # sent to the channel under test only
FOR_ALERTED = frozenset({EventKind.INCIDENT_ACKNOWLEDGED, EventKind.MONITOR_CLEARED})  # people who were not, are spared
# The one event for each end of an alarm that goes to a channel which holds the alarm open, whatever it subscribes to.
ENDING = frozenset({EventKind.INCIDENT_RESOLVED, EventKind.INCIDENT_ACKNOWLEDGED, *alarms.NAMED_BY_WHAT})


class ChannelSubscription(Struct, frozen=True, kw_only=True):
    """A channel, as far as routing needs it. A disabled one gets deliveries too: they are listed as dead.

    events        patterns of the events that it receives
    is_webhook    it notifies a program, not a person
    holds_alarms  what it was alerted of stays open, or rings, until it is closed
    """

    id: str
    events: tuple[str, ...]
    is_webhook: bool = False
    is_default: bool = False
    all_monitors: bool = False
    holds_alarms: bool = False


@lru_cache(maxsize=4_096)
def matches(patterns: tuple[str, ...], kind: str) -> bool:
    """Whether one of the patterns (`*`, `monitor.*`, a name) matches this event."""
    return any(one in {"*", kind} or (one.endswith(".*") and kind.startswith(one[:-1])) for one in patterns)


def unknown_patterns(patterns: Sequence[str]) -> list[int]:
    """The indexes of patterns that match no event."""
    return [number for number, one in enumerate(patterns) if not any(matches((one,), str(kind)) for kind in EventKind)]


def subscribed_kinds(patterns: Sequence[str]) -> list[EventKind]:
    """The events that these patterns subscribe to."""
    return [kind for kind in EventKind if kind not in UNROUTED and matches(tuple(patterns), str(kind))]


class EventRouter:
    """The channels at the time when a batch of events is stored. Matches patterns once for each kind of event."""

    def __init__(self, subscriptions: Iterable[ChannelSubscription]) -> None:
        self._subscriptions = list(subscriptions)
        self._subscribed: dict[EventKind, dict[str, ChannelSubscription]] = {}
        self._all_monitors: dict[EventKind, list[ChannelSubscription]] = {}

    def recipients(
        self, kind: EventKind, *, linked_ids: Collection[str] | None = None, subject_id: str | None = None
    ) -> list[ChannelSubscription]:
        """The channels that receive an event.

        linked_ids  channels that are linked to its monitor, share a tag with it, or received its incident before;
                    None: the event has no monitor
        subject_id  the channel that the event is about: it can't report its own failure
        """
        if kind in UNROUTED:
            return []
        subscribed = self._subscribed_to(kind)
        if linked_ids is not None:
            found = self._all_monitors[kind] + [
                subscribed[id_] for id_ in sorted(linked_ids) if id_ in subscribed and not subscribed[id_].all_monitors
            ]
        elif kind.startswith(SYSTEM_PREFIX):
            found = _system_recipients(list(subscribed.values()), self._subscriptions, subject_id)
        else:
            found = list(subscribed.values())
        return [one for one in found if one.id != subject_id]

    def recipients_of_end(
        self, kind: EventKind, data: dict[str, Any], alerted_ids: Collection[str]
    ) -> list[ChannelSubscription]:
        """Channels that hold an alarm open which this event (of `ENDING`) ends, also without a subscription to it.

        alerted_ids  channels that were alerted of what the event ends or acknowledges
        """
        holders = [one for one in self._subscriptions if one.holds_alarms and one.id in alerted_ids]
        if kind is EventKind.INCIDENT_RESOLVED and not closed_without_recovery(kind, data):
            holders = [one for one in holders if not matches(one.events, EventKind.MONITOR_UP)]  # that ends it as well
        return holders

    def _subscribed_to(self, kind: EventKind) -> dict[str, ChannelSubscription]:
        if kind not in self._subscribed:
            subscribed = {one.id: one for one in self._subscriptions if matches(one.events, str(kind))}
            self._subscribed[kind] = subscribed
            self._all_monitors[kind] = [one for one in subscribed.values() if one.all_monitors]
        return self._subscribed[kind]


def _system_recipients(
    subscribed: list[ChannelSubscription], subscriptions: Iterable[ChannelSubscription], subject_id: str | None
) -> list[ChannelSubscription]:
    """Who is alerted about Watchkeeper itself: subscribers; if no person is one, the default channels, or else all."""
    if any(not one.is_webhook and one.id != subject_id for one in subscribed):
        return subscribed
    people = [one for one in subscriptions if not one.is_webhook and one.id != subject_id]
    return [one for one in subscribed if one.is_webhook] + ([one for one in people if one.is_default] or people)


def is_spared(one: ChannelSubscription, kind: EventKind, data: dict[str, Any], alerted_ids: Collection[str]) -> bool:
    """Whether a subscriber does not get an event of `FOR_ALERTED`: it continues what the channel was not alerted of."""
    if one.is_webhook:
        return False
    return one.id not in alerted_ids or (kind is EventKind.MONITOR_CLEARED and "ended_by" in data)  # which is sent


def is_silent(events: tuple[str, ...], kind: EventKind, data: dict[str, Any]) -> bool:
    """Whether a channel receives an event only to close what it holds open: its people did not ask for the event.

    events    the patterns of the channel
    """
    is_subscribed = matches(events, str(kind)) or kind.startswith(SYSTEM_PREFIX)
    if kind not in ENDING or is_subscribed:
        return False
    return not (closed_without_recovery(kind, data) and matches(events, str(EventKind.MONITOR_UP)))


def closed_without_recovery(event: EventKind, data: dict[str, Any]) -> bool:
    """Whether an incident closed because its monitor was paused or deleted: no recovery will follow."""
    return event is EventKind.INCIDENT_RESOLVED and "ended_by" in data


def subject_channel_id(data: dict[str, Any]) -> str | None:
    """The id of the channel that an event is about."""
    return _id_of(data, "channel")


def incident_id_of(data: dict[str, Any]) -> str | None:
    """The id of the incident that an event belongs to."""
    return _id_of(data, "incident")


def _id_of(data: dict[str, Any], noun: str) -> str | None:
    resource = data.get(noun)
    id_ = resource.get("id") if isinstance(resource, dict) else None
    return id_ if isinstance(id_, str) else None
