"""What is wrong with ourselves, and since when it counts. Pure: figures in, sentences out."""

from msgspec import Struct

from schema.events import EventKind

LAG_S = 30.0  # a due time that is this old
QUEUE_S = 60.0  # a job that waits this long
FREE_SHARE, FREE_BYTES = 0.05, 200_000_000  # of the disk: below either the database may soon not be written
LOOKS = 2  # in a row that must agree before anybody is told: a worker that restarts is none that is gone


class Signs(Struct, frozen=True, kw_only=True):
    """What one look found.

    queue, queue_s    the queue whose oldest job waits longest, and how long
    free              bytes of the disk that our data lie on, of `size`
    cut_off           workers that have no way out
    jumps             processes whose clock jumped lately, and by how many seconds
    ahead             what lies in the future, in words; empty: nothing
    """

    lag_s: float = 0.0
    queue: str = ""
    queue_s: float = 0.0
    workers: int = 1
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
