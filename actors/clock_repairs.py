"""Repairs after a clock that was ahead: finds what lies in the future, sets right what somebody waits for, says so."""

from collections.abc import Sequence
from time import monotonic

import structlog

from app import clock, clock_watch, interruptions, queue
from app.clock_watch import RECENT_S
from app.store.transactions import future_instants, results
from schema.jobs import PUSHED_KEY, STARTED_KEY

log = structlog.get_logger()


class ClockRepairs:
    """Looks at the start, and after each jump that any process noticed: usually nothing lies in the future."""

    def __init__(self) -> None:
        self._known_jumps: frozenset[tuple[str, int]] | None = None  # jumps by node and time; None: never looked
        self._noted_at_s, self._note = -RECENT_S, ""

    async def repair_after_jump(self) -> None:
        """Set right what lies in the future, if there is a reason to believe that something does."""
        noticed = await interruptions.list_recent()
        jumps = frozenset((node, one.to_ms) for node, signs in noticed.items() for one in signs if one.is_jump)
        if self._known_jumps is None or jumps - self._known_jumps:
            await self.repair()
        self._known_jumps = jumps

    async def repair(self) -> None:
        """Set right what lies in the future."""
        now_ms = clock.now_ms()
        moved = await future_instants.repair(now_ms)
        beats, marks = await future_instants.find_heartbeats(now_ms), await future_instants.find_checkpoints(now_ms)
        if beats.series:
            await self._reset_push_times(await future_instants.find_pushed_series(now_ms), now_ms)
        if beats.series or marks:
            until_s = max(0, beats.until_ms - now_ms) // 1_000
            self.note(f"{beats.series} monitors have heartbeats up to {until_s} s in the future: the clock was ahead")
            log.warning("clock.was_ahead", series=beats.series, until_s=until_s, marks=marks, n_moved=moved)

    def note(self, sentence: str) -> None:
        """Keep what was found, for whoever tells of it."""
        self._noted_at_s, self._note = monotonic(), sentence

    def problem(self) -> str:
        """What was found lately, in a sentence; empty: nothing."""
        return self._note if monotonic() - self._noted_at_s < RECENT_S else ""

    async def _reset_push_times(self, series: Sequence[int], now_ms: int) -> None:
        """A report from the future came in by now: the next one is awaited from here on."""
        for no in series:
            for key in (PUSHED_KEY, STARTED_KEY):
                kept = int(await queue.client().hget(key, str(no)) or 0)
                if clock_watch.is_in_future(abs(kept), now_ms):
                    await queue.client().hset(key, str(no), -now_ms if kept < 0 else now_ms)
                elif not kept and key == PUSHED_KEY:
                    stored = await results.newest_push_ms(no, now_ms, until_ms=None)
                    await queue.client().hset(key, str(no), -now_ms if stored < 0 else now_ms)
