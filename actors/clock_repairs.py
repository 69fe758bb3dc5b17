"""Repairs after a clock that was ahead: finds what lies in the future, sets right what somebody waits for, says so."""

from collections.abc import Sequence
from time import monotonic

import structlog

from app import clock_watch, interruptions, queue
from app.clock_watch import RECENT_S
from app.store.system import future_instants
from app.store.transactions import results
from schema.jobs import PUSHED_KEY, STARTED_KEY

log = structlog.get_logger()


class ClockRepairs:
    """Looks at the start, and after each jump that any process noticed: usually nothing lies in the future."""

    def __init__(self) -> None:
        self._known: frozenset[tuple[str, int]] | None = None  # jumps by node and time; None: never looked
        self._found_s, self._found = -RECENT_S, ""

    async def look(self) -> None:
        """Set right what lies in the future, if there is a reason to believe that something does."""
        noticed = await interruptions.recent()
        jumps = frozenset((node, one.to_ms) for node, signs in noticed.items() for one in signs if one.is_jump)
        if self._known is None or jumps - self._known:
            await self.set_right()
        self._known = jumps

    async def set_right(self) -> None:
        """Set right what lies in the future."""
        now_ms = clock_watch.now_ms()
        moved = await future_instants.set_right(now_ms)
        beats, marks = await future_instants.beats(now_ms), await future_instants.marks(now_ms)
        if beats.series:
            await self._receive(await future_instants.reports(now_ms), now_ms)
        if beats.series or marks:
            until_s = max(0, beats.until_ms - now_ms) // 1_000
            self.note(f"{beats.series} monitors have heartbeats up to {until_s} s in the future: the clock was ahead")
            log.warning("clock.was_ahead", series=beats.series, until_s=until_s, marks=marks, n_moved=moved)

    def note(self, words: str) -> None:
        """Keep what was found, for whoever tells of it."""
        self._found_s, self._found = monotonic(), words

    def trouble(self) -> str:
        """What was found lately, in a sentence; empty: nothing."""
        return self._found if monotonic() - self._found_s < RECENT_S else ""

    async def _receive(self, series: Sequence[int], now_ms: int) -> None:
        """A report from the future came in by now: the next one is awaited from here on."""
        for no in series:
            for key in (PUSHED_KEY, STARTED_KEY):
                kept = int(await queue.client().hget(key, str(no)) or 0)
                if clock_watch.is_ahead(abs(kept), now_ms):
                    await queue.client().hset(key, str(no), -now_ms if kept < 0 else now_ms)
                elif not kept and key == PUSHED_KEY:
                    stored = await results.newest_push(no, now_ms, until_ms=None)
                    await queue.client().hset(key, str(no), -now_ms if stored < 0 else now_ms)
