"""The clock, distrusted: notices that this process stood still, and that the time of day jumped.

Two clocks are compared four times a second: the wall clock, which people and cron go by and which may be set, and the
monotonic one, which may not. A tick that comes late is a pause: of the process, the loop or the machine. A tick at
which the two have parted is a jump, or a machine that slept.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic, time
from types import TracebackType

from msgspec import Struct

from app.clock import now_ms

TICK_S = 0.25  # between ticks; each wakes a process that had nothing to do, in four processes
PAUSE_S = 0.25  # a tick that is later than this is no busy moment
JUMP_S = 2.0  # time servers slew a clock by milliseconds; more than this was set
RECENT_S = 300.0  # how long a jump is worth mentioning
FUTURE_TOLERANCE_MS = (
    10_000  # an instant that lies further ahead was stored by a clock that was wrong; machines differ by less
)
MAX_INTERRUPTIONS = 64  # interruptions remembered; of more than that in one check the newest will do


class Interruption(Struct, frozen=True):
    """A time in which this process could notice nothing.

    began_s, ended_s   by the monotonic clock
    from_ms, to_ms     by the wall clock; `to_ms` is the smaller one when it was put back
    jump_s             by how much the wall clock moved beyond the monotonic one; negative: it was put back
    """

    began_s: float
    ended_s: float
    from_ms: int
    to_ms: int
    jump_s: float

    @property
    def lost_s(self) -> float:
        """How long it was; a clock that was put back took no time."""
        return max(self.ended_s - self.began_s, self.ended_s - self.began_s + self.jump_s)

    @property
    def is_jump(self) -> bool:
        """Whether the wall clock moved by itself."""
        return abs(self.jump_s) >= JUMP_S


class ClockWatch:
    """What this process noticed of its clocks."""

    def __init__(self, wall: Callable[[], float] = time, steady: Callable[[], float] = monotonic) -> None:
        self._wall, self._steady = wall, steady
        self._last_tick: tuple[float, float] | None = None  # monotonic and wall time of the newest tick
        self.interruptions: deque[Interruption] = deque(maxlen=MAX_INTERRUPTIONS)
        self.jumped_s: float | None = None  # when the wall clock jumped last, monotonic
        self._net_jump_s = 0.0  # of all jumps since the first tick: what was put right counts for nothing

    def tick(self) -> Interruption | None:
        """Compare the clocks; returns what has come between this tick and the one before."""
        now = self._read_clocks()
        found, self._last_tick = self._interruption_until(now), now
        if found is not None:
            self.interruptions.append(found)
        if found is not None and found.is_jump:
            self.jumped_s = found.ended_s
            self._net_jump_s += found.jump_s
        return found

    def _read_clocks(self) -> tuple[float, float]:
        """Monotonic and wall time of one moment: a pause between the two readings would look like a jump."""
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
        """The longest interruption since then (monotonic), one that no tick has noticed yet included; 0.0 for none."""
        last = self._interruption_until(self._read_clocks())
        longest = last.lost_s if last is not None else 0.0
        for one in reversed(self.interruptions):  # asked for each check: usually the newest one was over before
            if one.ended_s <= since_s:
                break
            longest = max(longest, one.lost_s)
        return longest

    def ahead_s(self) -> float:
        """By how much the wall clock may be ahead of the true time: it jumped so far, and was not put back."""
        last = self._interruption_until(self._read_clocks())
        return max(0.0, self._net_jump_s + (last.jump_s if last and last.is_jump else 0.0))

    def jump_s(self) -> float:
        """The largest recent jump of the wall clock; 0.0 for none."""
        since_s = self._steady() - RECENT_S
        jumps = [one.jump_s for one in self._all_interruptions() if one.is_jump and one.ended_s > since_s]
        return max(jumps, key=abs, default=0.0)

    def _all_interruptions(self) -> list[Interruption]:
        last = self._interruption_until(self._read_clocks())
        return [*self.interruptions, *([last] if last else [])]

    async def run(self, notice: Callable[[Interruption], None]) -> None:
        """Tick until cancelled.

        notice  is given every interruption
        """
        self._last_tick = None
        try:
            while True:
                if (found := self.tick()) is not None:
                    notice(found)
                await asyncio.sleep(TICK_S)
        finally:
            self._last_tick = None


class TimeLimit:
    """A time limit, as `asyncio.timeout`, that knows how late it rang: what ends after it may take its time.

    seconds  how long there is
    began_s  monotonic
    late_s   how late it rang; 0.0 when it did not
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.began_s, self.late_s = seconds, monotonic(), 0.0
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        """Begin."""
        self.began_s = monotonic()
        self._timer = asyncio.get_running_loop().call_later(self.seconds, self._expire)
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; raises TimeoutError when it rang."""
        self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _expire(self) -> None:
        self.late_s = max(0.0, monotonic() - self.began_s - self.seconds)
        self._timeout.reschedule(0)  # to a time that is over: now


watch = ClockWatch()


def cautious_now_ms() -> int:
    """Epoch milliseconds by a clock that may have been set ahead: for what must not happen too early."""
    return now_ms() - int(watch.ahead_s() * 1000)


def is_in_future(at_ms: int, now_ms_: int) -> bool:
    """Whether an instant that was stored lies in the future."""
    return at_ms > now_ms_ + FUTURE_TOLERANCE_MS
