"""Which outcomes are urgent: those that may cause an alert. All others wait for a batch."""

from schema.monitors import Snapshot
from schema.status import Status

MAX_SERIES = 100_000  # that are not up; beyond it all are forgotten and count as urgent again


class ChangeDetector:
    """The last status of each series that is not up, and how often in a row this worker saw it.

    Only a hint: other workers check the same series, and a wrong guess costs a quarter of a second. A monitor that
    stays down is not urgent: thousands of them should be stored in batches.
    """

    def __init__(self) -> None:
        self._runs: dict[int, tuple[Status, int]] = {}

    def is_urgent(self, status: Status, snapshot: Snapshot) -> bool:
        """Note a status; returns whether it changed or may use up the monitor's retries."""
        before, times = self._runs.get(snapshot.series, (Status.UP, 0))
        times = times + 1 if status is before else 1
        if status is Status.UP:
            self._runs.pop(snapshot.series, None)
            return before is not Status.UP
        if len(self._runs) >= MAX_SERIES:
            self._runs.clear()
        self._runs[snapshot.series] = (status, times)
        return times <= snapshot.max_retries + 1
