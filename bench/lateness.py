"""How late checks were, seen from the target: arrival minus the due time on the grid. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

SLACK = 1.5  # intervals between two arrivals that still count as nothing missed


def late_ms(arrivals: Iterable[tuple[int, float]], phases: Mapping[int, int], interval_ms: int) -> list[float]:
    """How long after its due time each check arrived, in order of size.

    arrivals    (monitor's number, epoch milliseconds)
    phases      number → where in the interval it is due; numbers without one are left out
    """
    return sorted((at_ms - phases[number]) % interval_ms for number, at_ms in arrivals if number in phases)


def missed(
    arrivals: Iterable[tuple[int, float]], numbers: Iterable[int], window_ms: tuple[float, float], interval_ms: int
) -> int:
    """Monitors that were left alone for more than 1.5 intervals somewhere in the window."""
    checks_ms: defaultdict[int, list[float]] = defaultdict(lambda: [window_ms[0]])
    for number, at_ms in arrivals:
        checks_ms[number].append(at_ms)
    return sum(_widest([*checks_ms[number], window_ms[1]]) > SLACK * interval_ms for number in numbers)


def _widest(times: list[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)
