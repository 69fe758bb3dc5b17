"""How long alerts take from the end of their check to their message, lately: checks make room when that is too long.

All stages share one event loop. When thousands of monitors fail together, checks that start at full speed would keep
it from storing and sending what earlier checks have found.
"""

from time import monotonic

ALLOWED_S = 1.0  # checks start at full speed below this
RECENT_S = 2.0  # a measurement counts for so long: when nothing is stored or sent, waiting would not help
PACE = 0.01  # seconds between two starts for each second of lag
MAX_PAUSE_S = 0.05  # between two starts


class AlertLag:
    """The longest lag of recent results and messages."""

    def __init__(self) -> None:
        self._lags: dict[str, tuple[float, float]] = {}  # stage -> its lag, and when it was measured

    def note(self, stage: str, lag_s: float) -> None:
        """Note how far behind a stage is."""
        self._lags[stage] = lag_s, monotonic()

    def pause_s(self) -> float:
        """How long to wait before the next check starts; 0 while alerts are in time."""
        now = monotonic()
        lag_s = sum(lag_s for lag_s, at in self._lags.values() if now - at < RECENT_S)
        return min(MAX_PAUSE_S, lag_s * PACE) if lag_s > ALLOWED_S else 0.0
