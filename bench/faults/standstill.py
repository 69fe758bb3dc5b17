"""Unreported standstills: stretches without a check or an alert, compared with the reported health. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from msgspec import Struct

SILENT_MS = 60_000.0  # a longer standstill must be reported
HEALTHY = "healthy"


class Sample(Struct, frozen=True):
    """The response of `/health` at a time: its status and what was not ok, or why there was no answer."""

    at_ms: float
    status: str
    wrong: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.status} ({', '.join(self.wrong)})" if self.wrong else self.status


class Stretch(Struct, frozen=True):
    """Nothing happened to `name` from then until then."""

    name: str
    from_ms: float
    to_ms: float


def between(name: str, times: Iterable[float], window_ms: tuple[float, float]) -> list[Stretch]:
    """Stretches of a window without any of the times that are longer than may be."""
    begin, end = window_ms
    edges = [begin, *sorted(one for one in times if begin < one < end), end]
    return [Stretch(name, one, two) for one, two in pairwise(edges) if two - one > SILENT_MS]


def unnoticed(stretches: Iterable[Stretch], samples: Sequence[Sample]) -> list[str]:
    """Stretches in which the product reported healthy although it had stood still for too long already."""
    return [
        f"{one.name} stood still for {(one.to_ms - one.from_ms) / 1000:.0f} s, and /health said {HEALTHY}"
        for one in stretches
        if any(sample.status == HEALTHY and one.from_ms + SILENT_MS <= sample.at_ms <= one.to_ms for sample in samples)
    ]


def summary(samples: Iterable[Sample]) -> str:
    """The reports in order, with their counts."""
    turns = [(text, len(list(some))) for text, some in groupby(samples, key=lambda one: one.text)]
    return ", ".join(f"{text} {times}" for text, times in turns) or "nobody looked"


def counted(kinds: Iterable[str]) -> str:
    """Events by kind, in order of their first."""
    return ", ".join(f"{kind} {times}" for kind, times in Counter(kinds).items()) or "none"
