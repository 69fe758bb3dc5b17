"""Which outcomes can't wait: those that may change what people are told. The rest leaves with company."""

from schema.monitors import Snapshot
from schema.status import Status

MAX_SERIES = 100_000  # series that are not up, as this worker saw them; beyond it all are forgotten and hurry again


class ChangeDetector:
    """What this worker saw of each series that is not up, and how often in a row.

    A hint and no truth: other workers see the same series, and whoever is wrong here is a quarter of a second late.
    A monitor that stays down is no news, and thousands of them are no reason to write each down by itself.
    """

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Status, int]] = {}

    def is_urgent(self, status: Status, snapshot: Snapshot) -> bool:
        """Note what a check saw; returns whether it differs from what was seen before, or may use up the retries."""
        before, times = self._runs.get(snapshot.series, (Status.UP, 0))
        times = times + 1 if status is before else 1
        if status is Status.UP:
            self._runs.pop(snapshot.series, None)
            return before is not Status.UP
        if len(self._runs) >= MAX_SERIES:
            self._runs.clear()
        self._runs[snapshot.series] = (status, times)
        return times <= snapshot.max_retries + 1
