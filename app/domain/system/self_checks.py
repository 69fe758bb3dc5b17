"""What is wrong with ourselves, and since when it counts. Pure: figures in, sentences out."""

from msgspec import Struct

from schema.events import EventKind

MAX_LAG_S = 30.0  # a due time that is this old
MAX_QUEUE_AGE_S = 60.0  # a job that waits this long
MIN_FREE_SHARE, MIN_FREE_BYTES = 0.05, 200_000_000  # of the disk: below either the database may soon not be written
MAX_RESULT_WAIT_S = 5.0  # a result that a worker can't hand on
MAX_ALERT_DELAY_S = 30.0  # an alert that was due so long ago and that nobody sends
ALERTING_BLOCKED = frozenset(  # while one of them lasts, an outage may pass without anybody being alerted
    {EventKind.SCHEDULE_LAG, EventKind.QUEUE_LAG, EventKind.NO_WORKER, EventKind.RESULTS_LOST, EventKind.ALERTS_STUCK}
)
HEALTH_CHECKS = {  # what each trouble is called among the checks of `/health`, and what it says there
    EventKind.SCHEDULE_LAG: ("schedule", "late"),
    EventKind.QUEUE_LAG: ("queue", "late"),
    EventKind.RESULTS_LOST: ("results", "lost"),
    EventKind.ALERTS_STUCK: ("alerts", "stuck"),
    EventKind.NETWORK_GONE: ("network", "gone"),
}
CONFIRMATIONS = 2  # in a row that must agree before anybody is told: a worker that restarts is none that is gone


class Vitals(Struct, frozen=True, kw_only=True):
    """What one look found.

    queue, queue_s    the queue whose oldest job waits longest, and how long
    lost              slots that were lost since the look before: queued twice, and no result came
    stale             monitors of which no real result has come for two intervals
    waiting_s         how long a worker's oldest result has waited to be handed on
    overdue_s         how long ago the alert was due that has waited longest, and that nobody sends
    free              bytes of the disk that our data lie on, of `size`
    cut_off           workers that have no way out
    jumps             processes whose clock jumped lately, and by how many seconds
    ahead             what lies in the future, in words; empty: nothing
    """

    lag_s: float = 0.0
    queue: str = ""
    queue_age_s: float = 0.0
    workers: int = 1
    lost_slots: int = 0
    stale_monitors: int = 0
    result_wait_s: float = 0.0
    alert_overdue_s: float = 0.0
    free_bytes: int = 1
    disk_bytes: int = 1
    offline_workers: tuple[str, ...] = ()
    clock_jumps: tuple[tuple[str, float], ...] = ()
    future_instants: str = ""


def problems_in(signs: Vitals) -> dict[EventKind, str]:
    """What is wrong, in a sentence each."""
    found = {
        EventKind.SCHEDULE_LAG: (signs.lag_s > MAX_LAG_S, f"checks are {signs.lag_s:.0f} s late"),
        EventKind.QUEUE_LAG: (
            signs.queue_age_s > MAX_QUEUE_AGE_S,
            f"the oldest job of the queue {signs.queue!r} has waited for {signs.queue_age_s:.0f} s",
        ),
        EventKind.NO_WORKER: (signs.workers == 0, "no worker is running: nothing is checked, and nobody is told"),
        EventKind.RESULTS_LOST: (
            bool(
                signs.workers and (signs.lost_slots or signs.stale_monitors or signs.result_wait_s > MAX_RESULT_WAIT_S)
            ),
            _lost_results_problem(signs),
        ),
        EventKind.ALERTS_STUCK: (
            signs.alert_overdue_s > MAX_ALERT_DELAY_S,
            f"an alert was due {signs.alert_overdue_s:.0f} s ago, and nobody has sent it",
        ),
        EventKind.DISK_FULL: (
            signs.free_bytes < MIN_FREE_BYTES or signs.free_bytes / signs.disk_bytes < MIN_FREE_SHARE,
            f"the disk that the data lie on has {signs.free_bytes // 1_000_000} MB left",
        ),
        EventKind.NETWORK_GONE: (
            bool(signs.offline_workers),
            f"no way out from {', '.join(signs.offline_workers)}: what can't be reached is unknown, not down",
        ),
        EventKind.CLOCK: (bool(signs.clock_jumps or signs.future_instants), _clock_problem(signs)),
    }
    return {kind: sentence for kind, (wrong, sentence) in found.items() if wrong}


def _clock_problem(signs: Vitals) -> str:
    jumps = ", ".join(f"that of {node} by {jump_s:+.0f} s" for node, jump_s in signs.clock_jumps)
    return "; ".join(filter(None, (f"the clock moved: {jumps}" if jumps else "", signs.future_instants)))


def _lost_results_problem(signs: Vitals) -> str:
    """Which results do not arrive, as far as it can be seen."""
    parts = [
        f"{signs.lost_slots} checks brought none" if signs.lost_slots else "",
        f"{signs.stale_monitors} monitors have had none for two intervals" if signs.stale_monitors else "",
        f"a worker's oldest has waited for {signs.result_wait_s:.0f} s"
        if signs.result_wait_s > MAX_RESULT_WAIT_S
        else "",
    ]
    return f"results of checks do not arrive: {', '.join(filter(None, parts))}"


class Debouncer:
    """How many looks in a row found each trouble, or found it gone."""

    def __init__(self) -> None:
        self._n_present: dict[EventKind, int] = {}
        self._n_absent: dict[EventKind, int] = {}

    def update(
        self, found: dict[EventKind, str], lasting: dict[EventKind, int]
    ) -> tuple[list[EventKind], list[EventKind]]:
        """What begins with this look, and what ends."""
        self._n_present = {kind: self._n_present.get(kind, 0) + 1 for kind in found if kind not in lasting}
        self._n_absent = {kind: self._n_absent.get(kind, 0) + 1 for kind in lasting if kind not in found}
        return (
            [kind for kind, times in self._n_present.items() if times >= CONFIRMATIONS],
            [kind for kind, times in self._n_absent.items() if times >= CONFIRMATIONS],
        )
