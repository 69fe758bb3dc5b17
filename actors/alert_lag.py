"""How long alerts take from the end of their check to their message, lately: all stages make room when it is too long.

All stages share one event loop. When thousands of monitors fail together, checks that start at full speed would keep
it from storing and sending what earlier checks have found, and small batches would cost more than what is in them.
"""

from collections.abc import Callable
from time import monotonic

from actors import worker_metrics

RECENT_S = 2.0  # a measurement counts for so long: when nothing is stored or sent, waiting would not help
PACE = 0.002  # seconds between two starts of checks at a lag of a second; four times as long at two seconds
MAX_PAUSE_S = 0.05  # between two starts
COLLECTED = 0.2  # a batch may wait for this share of the lag
MAX_COLLECT_S = 0.25


class AlertLag:
    """The longest lag of recent results and messages."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._lags: dict[str, tuple[float, float]] = {}  # stage -> its lag, and when it was measured
        self._next_start = 0.0

    def note(self, stage: str, lag_s: float) -> None:
        """Note how far behind a stage is."""
        self._lags[stage] = lag_s, self._now()

    def seconds(self) -> float:
        """How late alerts are: the lags of the stages together."""
        now = self._now()
        found = sum(lag_s for lag_s, at in self._lags.values() if now - at < RECENT_S)
        worker_metrics.ALERT_LAG.set(found)
        return found

    def collect_s(self) -> float:
        """How long to collect results or messages for one transaction; next to nothing while alerts are in time."""
        return min(MAX_COLLECT_S, self.seconds() * COLLECTED)

    def start_delay_s(self) -> float:
        """Reserve the next start of a check; returns how long it must wait, 0 while alerts are in time."""
        now = self._now()
        start = max(now, self._next_start)
        self._next_start = start + min(MAX_PAUSE_S, PACE * self.seconds() ** 2)
        return start - now
