"""What is wrong with ourselves, and since when it counts. Pure: figures in, sentences out."""

from msgspec import Struct

from schema.events import EventKind

LAG_S = 30.0  # a due time that is this old
QUEUE_S = 60.0  # a job that waits this long
FREE_SHARE, FREE_BYTES = 0.05, 200_000_000  # of the disk: below either the database may soon not be written
WAITING_S = 5.0  # a result that a worker can't hand on
OVERDUE_S = 30.0  # an alert that was due so long ago and that nobody sends
BLINDING = frozenset(  # while one of them lasts, an outage may pass without anybody being alerted
    {EventKind.SCHEDULE_LAG, EventKind.QUEUE_LAG, EventKind.NO_WORKER, EventKind.RESULTS_LOST, EventKind.ALERTS_STUCK}
)
HEALTH = {  # what each trouble is called among the checks of `/health`, and what it says there
    EventKind.SCHEDULE_LAG: ("schedule", "late"),
    EventKind.QUEUE_LAG: ("queue", "late"),
    EventKind.RESULTS_LOST: ("results", "lost"),
    EventKind.ALERTS_STUCK: ("alerts", "stuck"),
    EventKind.NETWORK_GONE: ("network", "gone"),
}
LOOKS = 2  # in a row that must agree before anybody is told: a worker that restarts is none that is gone


class Signs(Struct, frozen=True, kw_only=True):
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
    queue_s: float = 0.0
    workers: int = 1
    lost: int = 0
    stale: int = 0
    waiting_s: float = 0.0
    overdue_s: float = 0.0
    free: int = 1
    size: int = 1
    cut_off: tuple[str, ...] = ()
    jumps: tuple[tuple[str, float], ...] = ()
    ahead: str = ""


def troubles_of(signs: Signs) -> dict[EventKind, str]:
    """What is wrong, in a sentence each."""
    found = {
        EventKind.SCHEDULE_LAG: (signs.lag_s > LAG_S, f"checks are {signs.lag_s:.0f} s late"),
        EventKind.QUEUE_LAG: (
            signs.queue_s > QUEUE_S,
            f"the oldest job of the queue {signs.queue!r} has waited for {signs.queue_s:.0f} s",
        ),
        EventKind.NO_WORKER: (signs.workers == 0, "no worker is running: nothing is checked, and nobody is told"),
        EventKind.RESULTS_LOST: (
            bool(signs.workers and (signs.lost or signs.stale or signs.waiting_s > WAITING_S)),
            _lost_results(signs),
        ),
        EventKind.ALERTS_STUCK: (
            signs.overdue_s > OVERDUE_S,
            f"an alert was due {signs.overdue_s:.0f} s ago, and nobody has sent it",
        ),
        EventKind.DISK_FULL: (
            signs.free < FREE_BYTES or signs.free / signs.size < FREE_SHARE,
            f"the disk that the data lie on has {signs.free // 1_000_000} MB left",
        ),
        EventKind.NETWORK_GONE: (
            bool(signs.cut_off),
            f"no way out from {', '.join(signs.cut_off)}: what can't be reached is unknown, not down",
        ),
        EventKind.CLOCK: (bool(signs.jumps or signs.ahead), _of_clock(signs)),
    }
    return {kind: sentence for kind, (wrong, sentence) in found.items() if wrong}


def _of_clock(signs: Signs) -> str:
    jumps = ", ".join(f"that of {node} by {jump_s:+.0f} s" for node, jump_s in signs.jumps)
    return "; ".join(filter(None, (f"the clock moved: {jumps}" if jumps else "", signs.ahead)))


def _lost_results(signs: Signs) -> str:
    """Which results do not arrive, as far as it can be seen."""
    parts = [
        f"{signs.lost} checks brought none" if signs.lost else "",
        f"{signs.stale} monitors have had none for two intervals" if signs.stale else "",
        f"a worker's oldest has waited for {signs.waiting_s:.0f} s" if signs.waiting_s > WAITING_S else "",
    ]
    return f"results of checks do not arrive: {', '.join(filter(None, parts))}"


class Patience:
    """How many looks in a row found each trouble, or found it gone."""

    def __init__(self) -> None:
        self._seen: dict[EventKind, int] = {}
        self._missed: dict[EventKind, int] = {}

    def weighed(
        self, found: dict[EventKind, str], lasting: dict[EventKind, int]
    ) -> tuple[list[EventKind], list[EventKind]]:
        """What begins with this look, and what ends."""
        self._seen = {kind: self._seen.get(kind, 0) + 1 for kind in found if kind not in lasting}
        self._missed = {kind: self._missed.get(kind, 0) + 1 for kind in lasting if kind not in found}
        return (
            [kind for kind, times in self._seen.items() if times >= LOOKS],
            [kind for kind, times in self._missed.items() if times >= LOOKS],
        )
