"""Distrusts failures seen by a worker that stalled: it read nothing meanwhile, and the target is not to blame.

Timers fire before the response in the socket is read, and libraries have timeouts of their own: whatever failed or was
slow during a stall is unknown. The monitor is rechecked at once, a few times in a row: a machine that is always slow
must not be kept busy by that.
"""

from collections import OrderedDict

from msgspec.structs import replace

from actors.probes.kit.result import ProbeResult
from app import clock, clock_watch
from app.clock_watch import TimeLimit
from schema.status import Status

TOLERATED_S = 0.25  # a busy moment
TOLERATED_SHARE = 0.1  # of the timeout
MAX_RECHECKS = 3  # in a row, at once; then the next slot is soon enough
MAX_SERIES = 10_000  # series whose checks stalled last
DOUBTFUL = (Status.DOWN, Status.DEGRADED)

_rechecks: OrderedDict[int, int] = OrderedDict()  # series → immediate rechecks in a row


def lost_s(limit: TimeLimit) -> float:
    """How long this worker stalled since the limit began; 0.0 for what a check tolerates."""
    lost = max(clock_watch.watch.lost_s(limit.began_s), limit.late_s)
    return lost if lost > max(TOLERATED_S, limit.seconds * TOLERATED_SHARE) else 0.0


def unknown_if_stalled(result: ProbeResult, series: int, limit: TimeLimit) -> ProbeResult:
    """The result; unknown, with an immediate recheck, when it failed or was slow during a stall."""
    lost = lost_s(limit) if result.status in DOUBTFUL else 0.0
    if not lost:
        _rechecks.pop(series, None)
        return result
    message = f"not known: this worker stood still for {lost:.1f} s ({result.message or result.status.name.lower()})"
    return replace(
        result,
        status=Status.UNKNOWN,
        code=0,
        message=message,
        recheck_ms=clock.now_ms() if _may_recheck(series) else 0,
    )


def _may_recheck(series: int) -> bool:
    """Whether another immediate recheck is allowed; counts it."""
    count = _rechecks.get(series, 0)
    _rechecks[series] = count + 1
    _rechecks.move_to_end(series)
    if len(_rechecks) > MAX_SERIES:
        _rechecks.popitem(last=False)
    return count < MAX_RECHECKS
