"""Statistics of a series of echo requests: loss, average, jitter. Pure."""

from itertools import pairwise
from statistics import fmean
from typing import Any

from msgspec import Struct


class PingStatistics(Struct, frozen=True):
    """The round trips of a series in order, in ms; None for a request without a reply."""

    rtts_ms: tuple[float | None, ...]

    @property
    def answered_ms(self) -> list[float]:
        """The round trips that got a reply."""
        return [one for one in self.rtts_ms if one is not None]

    @property
    def loss(self) -> float:
        """Percent of requests without a reply."""
        return 100 * (1 - len(self.answered_ms) / len(self.rtts_ms))

    @property
    def average_ms(self) -> float:
        """Of the requests with a reply."""
        return round(fmean(self.answered_ms), 3)

    @property
    def jitter_ms(self) -> float:
        """The mean difference between successive round trips; 0 with fewer than two."""
        steps = [abs(after - before) for before, after in pairwise(self.answered_ms)]
        return round(fmean(steps), 3) if steps else 0.0

    def exceeded_limit(self, max_loss: float | None, max_jitter_ms: float | None) -> str:
        """Which limit is exceeded, as a sentence; empty when none is."""
        if max_loss is not None and self.loss > max_loss:
            return f"{self.loss:.3g} % of {len(self.rtts_ms)} echo requests were lost, more than {max_loss:g} %"
        if max_jitter_ms is not None and self.jitter_ms > max_jitter_ms:
            return f"the answers vary by {self.jitter_ms:.3g} ms, more than {max_jitter_ms:g} ms"
        return ""

    def facts(self) -> dict[str, Any]:
        """For a result's detail."""
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
