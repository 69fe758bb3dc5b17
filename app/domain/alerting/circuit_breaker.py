"""When a channel is left alone: after failures it rests, after refusals it is paused. Pure.

Closed: everything goes. Open: it rests, and nothing goes. Half open: the rest is over, one delivery goes as the probe;
when it is taken everything goes again, when it fails the next rest is twice as long.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

THRESHOLD = 5  # temporary failures in a row
FIRST_REST_S = 30.0
LONGEST_REST_S = 600.0
REFUSALS = 3  # in a row, by the channel itself: a wrong password stays wrong


class Answer(StrEnum):
    """What a try says about its channel."""

    TAKEN = "taken"
    BUSY = "busy"  # not now: it may be taken later
    REFUSED = "refused"  # this message; others may be taken
    BARRED = "barred"  # whatever is sent
    GONE = "gone"  # the channel is not there any more


class Passage(StrEnum):
    """How many deliveries may go."""

    ALL = "all"
    ONE = "one"
    NONE = "none"


class Standing(Struct, frozen=True):
    """How a channel stands.

    failures          temporary ones in a row
    rests_until_ms    0: the breaker is closed
    refusals          of the channel, in a row
    """

    failures: int = 0
    rests_until_ms: int = 0
    refusals: int = 0
    paused: bool = False


def passage(standing: Standing, now_ms: int) -> Passage:
    """How many deliveries the channel may be given now."""
    if standing.paused or standing.rests_until_ms > now_ms:
        return Passage.NONE
    return Passage.ONE if standing.rests_until_ms else Passage.ALL


def after(standing: Standing, answers: Sequence[Answer], asked_s: float, now_ms: int) -> Standing:
    """How the channel stands after tries that were made side by side.

    asked_s    the longest rest that one of the answers asked for; 0 when none did
    """
    if Answer.TAKEN in answers:
        return Standing()
    if Answer.REFUSED in answers:  # it looked at the message: whoever does that is well
        return Standing(paused=standing.paused)
    refusals = standing.refusals + sum(1 for one in answers if one is Answer.BARRED)
    if Answer.GONE in answers or refusals >= REFUSALS:
        return Standing(refusals=refusals, paused=True)
    busy = sum(1 for one in answers if one is Answer.BUSY)
    if not busy:
        return Standing(refusals=refusals, paused=standing.paused)
    return _tired(standing, busy, refusals, asked_s, now_ms)


def _tired(standing: Standing, busy: int, refusals: int, asked_s: float, now_ms: int) -> Standing:
    """After temporary failures only. However many fail together, the first rest is the shortest."""
    was_open = standing.failures >= THRESHOLD
    failures = standing.failures + 1 if was_open else min(standing.failures + busy, THRESHOLD)
    rest_s = asked_s or (own_rest_s(failures) if failures >= THRESHOLD or standing.rests_until_ms else 0.0)
    until_ms = now_ms + int(rest_s * 1000) if rest_s else 0
    return Standing(failures, max(until_ms, standing.rests_until_ms if until_ms else 0), refusals, standing.paused)


def own_rest_s(failures: int) -> float:
    """How long a channel rests that did not say how long it wants to."""
    return min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(max(0, failures - THRESHOLD), 20))


def is_worth_telling(before: Standing, after: Standing) -> bool:
    """Whether others should hear of it: the channel is paused, or rests as long as it can."""
    if after.paused:
        return not before.paused
    return own_rest_s(before.failures) < LONGEST_REST_S <= own_rest_s(after.failures)
