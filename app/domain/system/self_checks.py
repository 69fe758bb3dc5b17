"""Finds problems of Watchkeeper itself from its vital signs, and debounces them. Pure."""

from msgspec import Struct

from schema.events import EventKind

MAX_LAG_S = 30.0  # the age of the oldest due time
MAX_QUEUE_AGE_S = 60.0  # the age of the oldest job
MIN_FREE_SHARE, MIN_FREE_BYTES = 0.05, 200_000_000  # of the disk: below either, writes to the database may soon fail
MAX_RESULT_WAIT_S = 5.0  # for a result that a worker can't enqueue
MAX_ALERT_DELAY_S = 30.0  # for an alert that is due and not being sent
ALERTING_BLOCKED = frozenset(  # while one of these lasts, an outage may pass without an alert
    {EventKind.SCHEDULE_LAG, EventKind.QUEUE_LAG, EventKind.NO_WORKER, EventKind.RESULTS_LOST, EventKind.ALERTS_STUCK}
)
HEALTH_CHECKS = {  # problem → (the check of `/health`, its state there)
    EventKind.SCHEDULE_LAG: ("schedule", "late"),
    EventKind.QUEUE_LAG: ("queue", "late"),
    EventKind.RESULTS_LOST: ("results", "lost"),
    EventKind.ALERTS_STUCK: ("alerts", "stuck"),
    EventKind.NETWORK_GONE: ("network", "gone"),
}
CONFIRMATIONS = 2  # checks in a row that must agree before an alert: a restarting worker is not gone


class Vitals(Struct, frozen=True, kw_only=True):
    """The vital signs of one check.

    queue, queue_age_s    the queue whose oldest job waits longest, and how long
    lost_slots            since the previous check: enqueued twice, without a result
    stale_monitors        monitors without a real result for two intervals
    result_wait_s         how long a worker's oldest result has waited to be enqueued
    alert_overdue_s       how long ago the oldest alert was due that is not being sent
    free_bytes            of the data's disk, which has `disk_bytes`
    offline_workers       workers without network access
    clock_jumps           processes whose clock jumped recently, and by how many seconds
    future_instants       stored instants that lie in the future, in words; empty: none
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


def problems_in(vitals: Vitals) -> dict[EventKind, str]:
    """Each problem, with a sentence."""
    checks = {
        EventKind.SCHEDULE_LAG: (vitals.lag_s > MAX_LAG_S, f"checks are {vitals.lag_s:.0f} s late"),
        EventKind.QUEUE_LAG: (
            vitals.queue_age_s > MAX_QUEUE_AGE_S,
            f"the oldest job of the queue {vitals.queue!r} has waited for {vitals.queue_age_s:.0f} s",
        ),
        EventKind.NO_WORKER: (
            vitals.workers == 0,
            "no worker is running, so nothing is checked and no alerts are sent",
        ),
        EventKind.RESULTS_LOST: (
            bool(
                vitals.workers
                and (vitals.lost_slots or vitals.stale_monitors or vitals.result_wait_s > MAX_RESULT_WAIT_S)
            ),
            _lost_results_problem(vitals),
        ),
        EventKind.ALERTS_STUCK: (
            vitals.alert_overdue_s > MAX_ALERT_DELAY_S,
            f"an alert was due {vitals.alert_overdue_s:.0f} s ago and was not sent",
        ),
        EventKind.DISK_FULL: (
            vitals.free_bytes < MIN_FREE_BYTES or vitals.free_bytes / vitals.disk_bytes < MIN_FREE_SHARE,
            f"the disk with the data has {vitals.free_bytes // 1_000_000} MB left",
        ),
        EventKind.NETWORK_GONE: (
            bool(vitals.offline_workers),
            f"no network for {', '.join(vitals.offline_workers)}, so unreachable targets are unknown, not down",
        ),
        EventKind.CLOCK: (bool(vitals.clock_jumps or vitals.future_instants), _clock_problem(vitals)),
    }
    return {kind: sentence for kind, (is_problem, sentence) in checks.items() if is_problem}


def _clock_problem(vitals: Vitals) -> str:
    jumps = ", ".join(f"that of {node} by {jump_s:+.0f} s" for node, jump_s in vitals.clock_jumps)
    return "; ".join(filter(None, (f"the clock moved: {jumps}" if jumps else "", vitals.future_instants)))


def _lost_results_problem(vitals: Vitals) -> str:
    """Which results are missing, as far as known."""
    parts = [
        f"{vitals.lost_slots} checks had none" if vitals.lost_slots else "",
        f"{vitals.stale_monitors} monitors have had none for two intervals" if vitals.stale_monitors else "",
        f"a worker's oldest has been waiting for {vitals.result_wait_s:.0f} s"
        if vitals.result_wait_s > MAX_RESULT_WAIT_S
        else "",
    ]
    return f"results of checks are missing: {', '.join(filter(None, parts))}"


class Debouncer:
    """Counts how many checks in a row found each problem, or found it gone."""

    def __init__(self) -> None:
        self._n_present: dict[EventKind, int] = {}
        self._n_absent: dict[EventKind, int] = {}

    def update(
        self, problems: dict[EventKind, str], open_alerts: dict[EventKind, int]
    ) -> tuple[list[EventKind], list[EventKind]]:
        """(the alerts to open, the alerts to close) after this check."""
        self._n_present = {kind: self._n_present.get(kind, 0) + 1 for kind in problems if kind not in open_alerts}
        self._n_absent = {kind: self._n_absent.get(kind, 0) + 1 for kind in open_alerts if kind not in problems}
        return (
            [kind for kind, times in self._n_present.items() if times >= CONFIRMATIONS],
            [kind for kind, times in self._n_absent.items() if times >= CONFIRMATIONS],
        )
