"""Notices that this process stood still, and that the wall clock jumped.

Two clocks are compared four times a second: the wall clock, which people and cron use and which may be set, and the
monotonic one, which may not. A late tick is a pause of the process, the loop or the machine. A tick at which the two
differ is a jump of the wall clock, or a machine that slept.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic, time
from types import TracebackType

from msgspec import Struct

from app.clock import now_ms

TICK_S = 0.25  # between ticks; each wakes an idle process, and there are four
PAUSE_S = 0.25  # a tick later than this is more than a busy moment
JUMP_S = 2.0  # time servers slew a clock by milliseconds; a larger step was set
RECENT_S = 300.0  # how long a jump is reported
FUTURE_TOLERANCE_MS = 10_000  # an instant further ahead was stored by a wrong clock; machines differ by less
MAX_INTERRUPTIONS = 64  # that are kept; for a check with more of them the newest suffice


class Interruption(Struct, frozen=True):
    """A time in which this process did not run.

    began_s, ended_s   by the monotonic clock
    from_ms, to_ms     by the wall clock; `to_ms` is smaller when it was set back
    jump_s             how far the wall clock moved beyond the monotonic one; negative: it was set back
    """

    began_s: float
    ended_s: float
    from_ms: int
    to_ms: int
    jump_s: float

    @property
    def lost_s(self) -> float:
        """How long it was; setting a clock back takes no time."""
        return max(self.ended_s - self.began_s, self.ended_s - self.began_s + self.jump_s)

    @property
    def is_jump(self) -> bool:
        """Whether the wall clock was set."""
        return abs(self.jump_s) >= JUMP_S


class ClockWatch:
    """Compares this process's clocks, and keeps the interruptions."""

    def __init__(self, wall: Callable[[], float] = time, steady: Callable[[], float] = monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._last_tick: tuple[float, float] | None = None  # monotonic and wall time of the newest tick
        self.interruptions: deque[Interruption] = deque(maxlen=MAX_INTERRUPTIONS)
        self.jumped_s: float | None = None  # when the wall clock last jumped, monotonic
        self._net_jump_s = 0.0  # sum of all jumps since the first tick: a corrected one counts as nothing

    def tick(self) -> Interruption | None:
        """Compare the clocks; returns the interruption since the previous tick, if there was one."""
        now = self._read_clocks()
        interruption, self._last_tick = self._interruption_until(now), now
        if interruption is not None:
            self.interruptions.append(interruption)
        if interruption is not None and interruption.is_jump:
            self.jumped_s = interruption.ended_s
            self._net_jump_s += interruption.jump_s
        return interruption

    def _read_clocks(self) -> tuple[float, float]:
        """Monotonic and wall time of one moment: a pause between two readings would look like a jump."""
        while True:
            before_s, now_s, after_s = self._steady(), self._wall(), self._steady()
            if after_s - before_s < PAUSE_S:
                return after_s, now_s

    def _interruption_until(self, now: tuple[float, float]) -> Interruption | None:
        if self._last_tick is None:
            return None
        (began_s, wall_s), (ended_s, now_s) = self._last_tick, now
        jump_s = (now_s - wall_s) - (ended_s - began_s)
        if ended_s - began_s < TICK_S + PAUSE_S and abs(jump_s) < JUMP_S:
            return None
        return Interruption(began_s, ended_s, int(wall_s * 1000), int(now_s * 1000), jump_s)

    def lost_s(self, since_s: float) -> float:
        """The longest interruption since an instant (monotonic), also one before the next tick; 0.0 for none."""
        current = self._interruption_until(self._read_clocks())
        longest = current.lost_s if current is not None else 0.0
        for interruption in reversed(self.interruptions):  # called for each check: usually the newest one is older
            if interruption.ended_s <= since_s:
                break
            longest = max(longest, interruption.lost_s)
        return longest

    def ahead_s(self) -> float:
        """How far the wall clock may be ahead of the true time: it jumped, and was not set back."""
        current = self._interruption_until(self._read_clocks())
        return max(0.0, self._net_jump_s + (current.jump_s if current and current.is_jump else 0.0))

    def jump_s(self) -> float:
        """The largest recent jump of the wall clock; 0.0 for none."""
        since_s = self._steady() - RECENT_S
        jumps = [one.jump_s for one in self._all_interruptions() if one.is_jump and one.ended_s > since_s]
        return max(jumps, key=abs, default=0.0)

    def _all_interruptions(self) -> list[Interruption]:
        current = self._interruption_until(self._read_clocks())
        return [*self.interruptions, *([current] if current else [])]

    async def run(self, notice: Callable[[Interruption], None]) -> None:
        """Tick until cancelled.

        notice  is called with every interruption
        """
        self._last_tick = None
        try:
            while True:
                if (interruption := self.tick()) is not None:
                    notice(interruption)
                await asyncio.sleep(TICK_S)
        finally:
            self._last_tick = None


class TimeLimit:
    """A timeout like `asyncio.timeout` that also measures how late it fired, after a standstill of the loop.

    seconds  the timeout
    began_s  monotonic
    late_s   how late it fired; 0.0 when it did not
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began_s, self.late_s = seconds, monotonic(), 0.0
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        """Start the timer."""
        self.began_s = monotonic()
        self._timer = asyncio.get_running_loop().call_later(self.seconds, self._expire)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the timer; raises TimeoutError when it fired."""
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _expire(self) -> None:
        self.late_s = max(0.0, monotonic() - self.began_s - self.seconds)
        self._timeout.reschedule(0)  # a time in the past: now


watch = ClockWatch()


def cautious_now_ms() -> int:
    """Epoch milliseconds minus a possible jump ahead: for work that must not be done too early."""
    return now_ms() - int(watch.ahead_s() * 1000)


def is_in_future(at_ms: int, now_ms: int) -> bool:
    """Whether a stored instant lies in the future."""
    return at_ms > now_ms + FUTURE_TOLERANCE_MS
