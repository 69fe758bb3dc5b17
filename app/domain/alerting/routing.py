"""Decides which channels are told of an event, by their patterns and by what ties them to its monitor. Pure."""

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from schema.events import EventKind

UNROUTED = (EventKind.TEST,)  # goes to the channel that is tried, and to no other
SYSTEM_PREFIX = "system."


class ChannelSubscription(Struct, frozen=True, kw_only=True):
    """A channel as far as it matters who is told. A paused one is owed as well: what it misses is listed as dead.

    events      patterns of what it is told of
    is_webhook  a program listens, and nobody who would get up at night
    """

    id: str
    events: tuple[str, ...]
    is_webhook: bool = False
    is_default: bool = False
    all_monitors: bool = False


@lru_cache(maxsize=4_096)
def matches(patterns: tuple[str, ...], kind: str) -> bool:
    """Whether one of the patterns (`*`, `monitor.*`, a name) means this event."""
    return any(one in {"*", kind} or (one.endswith(".*") and kind.startswith(one[:-1])) for one in patterns)


def unknown_patterns(patterns: Sequence[str]) -> list[int]:
    """The places of patterns that mean no event there is."""
    return [number for number, one in enumerate(patterns) if not any(matches((one,), str(kind)) for kind in EventKind)]


class EventRouter:
    """The channels that listen while a batch of events is stored. Patterns are weighed once for each kind of event."""

    def __init__(self, listeners: Iterable[ChannelSubscription]) -> None:
        self._subscriptions = list(listeners)
        self._subscribed: dict[EventKind, dict[str, ChannelSubscription]] = {}
        self._all_monitors: dict[EventKind, list[ChannelSubscription]] = {}

    def recipients(
        self, kind: EventKind, *, linked_ids: Collection[str] | None = None, subject_id: str | None = None
    ) -> list[ChannelSubscription]:
        """Who is told of an event.

        tied     ids of the channels that are linked to its monitor, share a tag with it, or were told of its incident
                 before; None: the event has no monitor
        subject  the channel that the event is about: it can't be told that it does not work
        """
        if kind in UNROUTED:
            return []
        wanting = self._subscribed_to(kind)
        if linked_ids is not None:
            told = self._all_monitors[kind] + [
                wanting[id_] for id_ in sorted(linked_ids) if id_ in wanting and not wanting[id_].all_monitors
            ]
        elif kind.startswith(SYSTEM_PREFIX):
            told = _system_recipients(list(wanting.values()), self._subscriptions, subject_id)
        else:
            told = list(wanting.values())
        return [one for one in told if one.id != subject_id]

    def _subscribed_to(self, kind: EventKind) -> dict[str, ChannelSubscription]:
        if kind not in self._subscribed:
            wanting = {one.id: one for one in self._subscriptions if matches(one.events, str(kind))}
            self._subscribed[kind] = wanting
            self._all_monitors[kind] = [one for one in wanting.values() if one.all_monitors]
        return self._subscribed[kind]


def _system_recipients(
    wanting: list[ChannelSubscription], listeners: Iterable[ChannelSubscription], subject: str | None
) -> list[ChannelSubscription]:
    """Who is told of our own troubles: who asked for them; when no person did, the default channels, or else all."""
    if any(not one.is_webhook and one.id != subject for one in wanting):
        return wanting
    people = [one for one in listeners if not one.is_webhook and one.id != subject]
    return [one for one in wanting if one.is_webhook] + ([one for one in people if one.is_default] or people)


def closed_without_recovery(event: EventKind, data: dict[str, Any]) -> bool:
    """Whether an outage ends because its monitor is watched no more: there will be no recovery to be told of."""
    return event is EventKind.INCIDENT_RESOLVED and "ended_by" in data


def subject_channel_id(data: dict[str, Any]) -> str | None:
    """The id of the channel that an event is about."""
    return _id_of(data, "channel")


def incident_id_of(data: dict[str, Any]) -> str | None:
    """The id of the incident that an event belongs to."""
    return _id_of(data, "incident")


def _id_of(data: dict[str, Any], noun: str) -> str | None:
    thing = data.get(noun)
    found = thing.get("id") if isinstance(thing, dict) else None
    return found if isinstance(found, str) else None
