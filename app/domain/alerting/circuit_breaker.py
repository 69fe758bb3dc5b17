"""When a channel is left alone: temporary failures open its circuit, rejections disable it. Pure.

Closed: everything is sent. Open: nothing is sent. Half open: the backoff is over, and one delivery is sent as a trial.
When it is accepted the circuit closes; when it fails the next backoff is twice as long. Other failures meanwhile are of
attempts that began before the circuit opened, as when a receiver hangs and many time out: they prolong nothing.
Disabled: the channel itself was rejected several times, or several different messages were, with no success in between.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct, structs

FAILURE_THRESHOLD = 5  # temporary failures in a row
BASE_BACKOFF_S = 30.0
MAX_BACKOFF_S = 600.0
REJECTION_THRESHOLD = 3  # of the channel itself without a success in between: a wrong password stays wrong
MESSAGE_THRESHOLD = 5  # rejected messages of any kind without a success in between: no list of errors is complete


class AttemptOutcome(StrEnum):
    """What an attempt shows about its channel."""

    ACCEPTED = "accepted"
    TEMPORARY_FAILURE = "temporary_failure"  # it may be accepted later
    MESSAGE_REJECTED = "message_rejected"  # this message, as far as is known; others may be accepted
    CHANNEL_REJECTED = "channel_rejected"  # any message
    CHANNEL_GONE = "channel_gone"  # the channel does not exist any more


class Circuit(StrEnum):
    """How many deliveries may be sent: closed all, half open one, open none."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class CircuitState(Struct, frozen=True):
    """The counters of a channel's circuit.

    failures          temporary ones in a row
    open_until_ms     0: the circuit is closed
    rejections        of the channel itself, since the last success
    rejected          other rejected messages, since the last success
    """

    failures: int = 0
    open_until_ms: int = 0
    rejections: int = 0
    disabled: bool = False
    rejected: int = 0


def circuit_at(state: CircuitState, now_ms: int) -> Circuit:
    """How many deliveries may be sent to the channel now."""
    if state.disabled or state.open_until_ms > now_ms:
        return Circuit.OPEN
    return Circuit.HALF_OPEN if state.open_until_ms else Circuit.CLOSED


def next_state(
    state: CircuitState,
    outcomes: Sequence[AttemptOutcome],
    retry_after_s: float,
    now_ms: int,
    *,
    with_trial: bool = False,
) -> CircuitState:
    """The state after attempts that were made in parallel, one outcome for each message.

    with_trial       one of them was the trial of the half open circuit
    outcomes         without rejections of a message that was rejected before: one bad message counts once
    retry_after_s    the longest wait that a response requested; 0: none
    """
    if AttemptOutcome.ACCEPTED in outcomes:
        return CircuitState()
    rejections = state.rejections + outcomes.count(AttemptOutcome.CHANNEL_REJECTED)
    rejected = state.rejected + outcomes.count(AttemptOutcome.MESSAGE_REJECTED)
    is_rejected = rejections >= REJECTION_THRESHOLD or rejections + rejected >= MESSAGE_THRESHOLD
    disabled = state.disabled or AttemptOutcome.CHANNEL_GONE in outcomes or is_rejected
    counted = structs.replace(state, rejections=rejections, rejected=rejected, disabled=disabled)
    new_failures = outcomes.count(AttemptOutcome.TEMPORARY_FAILURE)
    responds = AttemptOutcome.MESSAGE_REJECTED in outcomes or not new_failures
    if responds or disabled:  # nothing to wait for
        return structs.replace(counted, failures=0, open_until_ms=0)
    if state.open_until_ms and state.failures >= FAILURE_THRESHOLD and not with_trial:
        requested_ms = now_ms + int(retry_after_s * 1000) if retry_after_s else 0
        return structs.replace(counted, open_until_ms=max(state.open_until_ms, requested_ms))
    return _after_temporary_failures(counted, new_failures, retry_after_s, now_ms)


def _after_temporary_failures(
    state: CircuitState, new_failures: int, retry_after_s: float, now_ms: int
) -> CircuitState:
    """After temporary failures only. However many fail in parallel, the first backoff is the shortest."""
    was_open = state.failures >= FAILURE_THRESHOLD
    failures = state.failures + 1 if was_open else min(state.failures + new_failures, FAILURE_THRESHOLD)
    opens = failures >= FAILURE_THRESHOLD or state.open_until_ms
    wait_s = retry_after_s or (backoff_s(failures) if opens else 0.0)
    until_ms = now_ms + int(wait_s * 1000) if wait_s else 0
    open_until_ms = max(until_ms, state.open_until_ms if until_ms else 0)
    return structs.replace(state, failures=failures, open_until_ms=open_until_ms)


def backoff_s(failures: int) -> float:
    """How long the circuit stays open when no response requested a time."""
    return min(MAX_BACKOFF_S, BASE_BACKOFF_S * 2.0 ** min(max(0, failures - FAILURE_THRESHOLD), 20))


def should_alert(before: CircuitState, after: CircuitState) -> bool:
    """Whether to alert about the channel: it is now disabled, or its backoff has reached the maximum."""
    if after.disabled:
        return not before.disabled
    return backoff_s(before.failures) < MAX_BACKOFF_S <= backoff_s(after.failures)
