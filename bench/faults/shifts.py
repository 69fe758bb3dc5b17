"""Converts timestamps of a shifted clock to the true one. Pure."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from bench.receiver import Delivery

AHEAD_MS = 1_000.0  # nothing arrives before it happened: what seems to was stamped by a clock that was ahead
EDGE_MS = 30_000.0  # the slot of a check may lie this long before the clock jumped, or before it was put right


class Shift(Struct, frozen=True):
    """From `from_ms` until `to_ms`, true time, the product's wall clock was `offset_ms` ahead."""

    from_ms: float
    to_ms: float
    offset_ms: float


def straightened(arrived: Iterable[Delivery], shifts: Sequence[Shift]) -> list[Delivery]:
    """Messages with the times at which things truly happened.

    The beginning of an outage that a recovery names is looked for among the outages before: by the time it arrives it
    may no longer be in the future.
    """
    known: dict[tuple[str, float], float] = {}
    found: list[Delivery] = []
    for one in arrived:
        at_ms = _true(one.at_ms, one.arrived_ms, shifts)
        known[one.name, one.at_ms] = at_ms
        started_ms = known.get((one.name, one.started_ms)) or _true(one.started_ms, one.arrived_ms, shifts)
        found.append(replace(one, at_ms=at_ms, started_ms=started_ms))
    return found


def _true(at_ms: float, arrived_ms: float, shifts: Sequence[Shift]) -> float:
    if at_ms <= arrived_ms + AHEAD_MS:
        return at_ms
    for one in shifts:
        true_ms = at_ms - one.offset_ms
        if one.from_ms - EDGE_MS <= true_ms <= min(one.to_ms, arrived_ms) + AHEAD_MS:
            return true_ms
    return at_ms
