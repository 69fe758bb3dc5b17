"""Doubts about what a check saw: a worker that stood still heard nothing, and that is no fault of the target.

Timers run before the answer is read that lies in the socket, and libraries have limits of their own: whatever failed
or was slow while we stood still is unknown. The monitor is looked at again at once, a few times in a row: a machine
that is always slow must not be kept busy by that.
"""

from collections import OrderedDict

from msgspec.structs import replace

from actors.probes.kit.result import Seen
from app import clock_watch
from app.clock_watch import Limit
from schema.status import Status

TOLERATED_S = 0.25  # a busy moment
TOLERATED_SHARE = 0.1  # of the limit
LOOKS = 3  # in a row, at once; then the next slot will do
KEPT = 10_000  # series that were doubted last
DOUBTED = (Status.DOWN, Status.DEGRADED)

_looks: OrderedDict[int, int] = OrderedDict()  # series → looks at once, in a row


def lost_s(limit: Limit) -> float:
    """For how long this worker noticed nothing since the limit began; 0.0 for what a check must stand."""
    lost = max(clock_watch.watch.lost_s(limit.began_s), limit.late_s)
    return lost if lost > max(TOLERATED_S, limit.seconds * TOLERATED_SHARE) else 0.0


def weighed(seen: Seen, series: int, limit: Limit) -> Seen:
    """What a check saw; unknown, and looked at again at once, when it went wrong while we stood still."""
    lost = lost_s(limit) if seen.status in DOUBTED else 0.0
    if not lost:
        _looks.pop(series, None)
        return seen
    message = f"not known: this worker stood still for {lost:.1f} s ({seen.message or seen.status.name.lower()})"
    return replace(
        seen, status=Status.UNKNOWN, code=0, message=message, look_ms=clock_watch.now_ms() if _may_look(series) else 0
    )


def _may_look(series: int) -> bool:
    """Whether another look at once is due; counts it."""
    times = _looks.get(series, 0)
    _looks[series] = times + 1
    _looks.move_to_end(series)
    if len(_looks) > KEPT:
        _looks.popitem(last=False)
    return times < LOOKS
