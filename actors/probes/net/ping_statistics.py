"""What a series of echo requests says: loss, average, jitter. Pure."""

from itertools import pairwise
from statistics import fmean
from typing import Any

from msgspec import Struct


class PingStatistics(Struct, frozen=True):
    """The round trips of a series in order, in ms; None is a request that nobody answered."""

    rtts_ms: tuple[float | None, ...]

    @property
    def answered_ms(self) -> list[float]:
        """The round trips that came back."""
        return [one for one in self.rtts_ms if one is not None]

    @property
    def loss(self) -> float:
        """Percent of the requests that nobody answered."""
        return 100 * (1 - len(self.answered_ms) / len(self.rtts_ms))

    @property
    def average_ms(self) -> float:
        """Of the answered ones."""
        return round(fmean(self.answered_ms), 3)

    @property
    def jitter_ms(self) -> float:
        """How much one round trip differs from the next, on average; 0 with fewer than two."""
        steps = [abs(after - before) for before, after in pairwise(self.answered_ms)]
        return round(fmean(steps), 3) if steps else 0.0

    def exceeded_limit(self, max_loss: float | None, max_jitter_ms: float | None) -> str:
        """Which of the limits is passed, in words; empty when none is."""
        if max_loss is not None and self.loss > max_loss:
            return f"{self.loss:.3g} % of {len(self.rtts_ms)} echo requests were lost, more than {max_loss:g} %"
        if max_jitter_ms is not None and self.jitter_ms > max_jitter_ms:
            return f"the answers vary by {self.jitter_ms:.3g} ms, more than {max_jitter_ms:g} ms"
        return ""

    def facts(self) -> dict[str, Any]:
        """For people and programs."""
        if not self.answered_ms:
            return {"lost": len(self.rtts_ms)}
        facts: dict[str, Any] = {"rtt_ms": self.average_ms, "lost": self.rtts_ms.count(None)}
        if len(self.answered_ms) == 1:
            return facts
        return facts | {
            "jitter_ms": self.jitter_ms,
            "rtt_min_ms": min(self.answered_ms),
            "rtt_max_ms": max(self.answered_ms),
        }
