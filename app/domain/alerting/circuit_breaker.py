"""When a channel is left alone: after failures it rests, after refusals it is paused. Pure.

Closed: everything goes. Open: it rests, and nothing goes. Half open: the rest is over, one delivery goes as the probe;
when it is taken everything goes again, when it fails the next rest is twice as long.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

FAILURE_THRESHOLD = 5  # temporary failures in a row
BASE_BACKOFF_S = 30.0
MAX_BACKOFF_S = 600.0
REJECTION_THRESHOLD = 3  # in a row, by the channel itself: a wrong password stays wrong


class AttemptOutcome(StrEnum):
    """What a try says about its channel."""

    ACCEPTED = "taken"
    TEMPORARY_FAILURE = "busy"  # not now: it may be taken later
    MESSAGE_REJECTED = "refused"  # this message; others may be taken
    CHANNEL_REJECTED = "barred"  # whatever is sent
    CHANNEL_GONE = "gone"  # the channel is not there any more


class Circuit(StrEnum):
    """How many deliveries may go."""

    CLOSED = "all"
    HALF_OPEN = "one"
    OPEN = "none"


class CircuitState(Struct, frozen=True):
    """How a channel stands.

    failures          temporary ones in a row
    rests_until_ms    0: the breaker is closed
    refusals          of the channel, in a row
    """

    failures: int = 0
    open_until_ms: int = 0
    rejections: int = 0
    disabled: bool = False


def circuit_at(standing: CircuitState, now_ms: int) -> Circuit:
    """How many deliveries the channel may be given now."""
    if standing.disabled or standing.open_until_ms > now_ms:
        return Circuit.OPEN
    return Circuit.HALF_OPEN if standing.open_until_ms else Circuit.CLOSED


def next_state(
    standing: CircuitState, answers: Sequence[AttemptOutcome], retry_after_s: float, now_ms: int
) -> CircuitState:
    """How the channel stands after tries that were made side by side.

    asked_s    the longest rest that one of the answers asked for; 0 when none did
    """
    if AttemptOutcome.ACCEPTED in answers:
        return CircuitState()
    if AttemptOutcome.MESSAGE_REJECTED in answers:  # it looked at the message: whoever does that is well
        return CircuitState(disabled=standing.disabled)
    refusals = standing.rejections + sum(1 for one in answers if one is AttemptOutcome.CHANNEL_REJECTED)
    if AttemptOutcome.CHANNEL_GONE in answers or refusals >= REJECTION_THRESHOLD:
        return CircuitState(rejections=refusals, disabled=True)
    busy = sum(1 for one in answers if one is AttemptOutcome.TEMPORARY_FAILURE)
    if not busy:
        return CircuitState(rejections=refusals, disabled=standing.disabled)
    return _after_temporary_failures(standing, busy, refusals, retry_after_s, now_ms)


def _after_temporary_failures(
    standing: CircuitState, busy: int, refusals: int, asked_s: float, now_ms: int
) -> CircuitState:
    """After temporary failures only. However many fail together, the first rest is the shortest."""
    was_open = standing.failures >= FAILURE_THRESHOLD
    failures = standing.failures + 1 if was_open else min(standing.failures + busy, FAILURE_THRESHOLD)
    rest_s = asked_s or (backoff_s(failures) if failures >= FAILURE_THRESHOLD or standing.open_until_ms else 0.0)
    until_ms = now_ms + int(rest_s * 1000) if rest_s else 0
    return CircuitState(failures, max(until_ms, standing.open_until_ms if until_ms else 0), refusals, standing.disabled)


def backoff_s(failures: int) -> float:
    """How long a channel rests that did not say how long it wants to."""
    return min(MAX_BACKOFF_S, BASE_BACKOFF_S * 2.0 ** min(max(0, failures - FAILURE_THRESHOLD), 20))


def should_alert(before: CircuitState, after: CircuitState) -> bool:
    """Whether others should hear of it: the channel is paused, or rests as long as it can."""
    if after.disabled:
        return not before.disabled
    return backoff_s(before.failures) < MAX_BACKOFF_S <= backoff_s(after.failures)
