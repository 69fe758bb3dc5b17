"""Repairs times in the future that a fast clock stored, and reports them to self-monitoring."""

from collections.abc import Sequence
from time import monotonic

import structlog

from app import clock, clock_watch, interruptions, queue
from app.clock_watch import RECENT_S
from app.store.transactions import future_instants, results
from schema.jobs import PUSHED_KEY, STARTED_KEY

log = structlog.get_logger()


class ClockRepairs:
    """Runs at start and after each clock jump that a process noticed; usually finds nothing."""

    def __init__(self) -> None:
        self._known_jumps: frozenset[tuple[str, int]] | None = None  # by node and time; None: never ran
        self._noted_at_s, self._note = -RECENT_S, ""

    async def repair_after_jump(self) -> None:
        """Repair times in the future, at start and after a new clock jump."""
        signs_by_node = await interruptions.list_recent()
        jumps = frozenset((node, sign.to_ms) for node, signs in signs_by_node.items() for sign in signs if sign.is_jump)
        if self._known_jumps is None or jumps - self._known_jumps:
            await self.repair()
        self._known_jumps = jumps

    async def repair(self) -> None:
        """Repair times in the future now, and note what was found."""
        now_ms = clock.now_ms()
        n_moved = await future_instants.repair(now_ms)
        heartbeats, checkpoints = (
            await future_instants.find_heartbeats(now_ms),
            await future_instants.find_checkpoints(now_ms),
        )
        if heartbeats.series:
            await self._reset_push_times(await future_instants.find_pushed_series(now_ms), now_ms)
        if heartbeats.series or checkpoints:
            until_s = max(0, heartbeats.until_ms - now_ms) // 1_000
            self.note(
                f"{heartbeats.series} monitors have heartbeats up to {until_s} s in the future: the clock was ahead"
            )
            log.warning(
                "clock.was_ahead", series=heartbeats.series, until_s=until_s, checkpoints=checkpoints, n_moved=n_moved
            )

    def note(self, sentence: str) -> None:
        """Remember a finding for `problem`."""
        self._noted_at_s, self._note = monotonic(), sentence

    def problem(self) -> str:
        """The latest finding as a sentence; empty when there is none within RECENT_S."""
        return self._note if monotonic() - self._noted_at_s < RECENT_S else ""

    async def _reset_push_times(self, series: Sequence[int], now_ms: int) -> None:
        """Move push reports from the future to now, so that their next deadline counts from here."""
        for no in series:
            for key in (PUSHED_KEY, STARTED_KEY):
                pushed_ms = int(await queue.client().hget(key, str(no)) or 0)
                if clock_watch.is_in_future(abs(pushed_ms), now_ms):
                    await queue.client().hset(key, str(no), -now_ms if pushed_ms < 0 else now_ms)
                elif not pushed_ms and key == PUSHED_KEY:
                    stored_ms = await results.newest_push_ms(no, now_ms, until_ms=None)
                    await queue.client().hset(key, str(no), -now_ms if stored_ms < 0 else now_ms)
