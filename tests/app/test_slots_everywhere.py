"""The schedule claims the slots that the history counts, whenever a monitor is created, changed, paused or resumed."""

import random

import pytest

from app import due_set, queue
from app.domain.history.completeness import Beat, Gap, SchedulePeriod, review_series
from app.due_set import StoredSlot
from schema.jobs import MonitorSchedule
from tests import make

pytestmark = pytest.mark.usefixtures("queue")

START = make.NOW_MS + 12_345
RHYTHMS = [(5_000, ""), (20_000, ""), (60_000, ""), (0, "* * * * *"), (0, "*/5 * * * *")]
SETTLE_MS = 30_000


class Life:
    """A monitor's life: what is done to it, and what became of its slots."""

    def __init__(self, seed: int) -> None:
        self.dice, self.now_ms = random.Random(seed), START
        self.series, self.version = self.dice.randrange(1, 1_000), 0
        self.plan: MonitorSchedule | None = None
        self.eras: list[SchedulePeriod] = []
        self.beats: list[Beat] = []
        self.waits_for_pushes = self.dice.random() < 0.5
        self.flying: tuple[int, int] | None = None  # the slot in flight, and when it lands

    async def be_changed(self, *, active: bool, anew: bool) -> None:
        """As the API does it: the change is stored, and the due set is updated some seconds later."""
        since_ms, interval_ms, cron = self.now_ms, 0, ""
        self.version += 1
        if active:
            old = (self.plan.interval_ms, self.plan.cron) if self.plan and not anew else None
            interval_ms, cron = old or self.dice.choice(RHYTHMS)
            self.plan = MonitorSchedule(self.series, interval_ms, 4_000, self.version, cron, "Europe/Berlin")
        period = SchedulePeriod(since_ms, interval_ms, cron, "Europe/Berlin" if cron else "UTC")
        if not self.eras or self.eras[-1][1:] != period[1:]:
            self.eras.append(period)
        for _ in range(self.dice.randrange(4)):
            await self.pass_time(2_500)
        if not active or self.plan is None:
            await due_set.remove_series([self.series], at_ms=self.now_ms)
            return
        first_ms = None if self.waits_for_pushes or cron else self.now_ms
        await due_set.put_series([self.plan], first_at_ms=first_ms, since_ms=since_ms)

    async def pass_time(self, most_ms: int) -> None:
        """Some time later the schedule looks; a check takes its time."""
        self.now_ms += self.dice.randrange(10, most_ms)
        if self.flying and self.flying[1] <= self.now_ms:
            await self.land(self.flying[0])
        claim = await due_set.claim_due(10, at_ms=self.now_ms)
        for slot in claim.slots:
            self.beats.append(Beat(slot.at_ms, slot.early))
            self.flying = slot.at_ms, self.now_ms + self.dice.choice((50, 2_000, 9_000))

    async def land(self, at_ms: int) -> None:
        """The check's heartbeat is stored; now and then it requests another check."""
        early_ms = self.now_ms + 700 if self.dice.random() < 0.2 else 0
        self.flying = None
        await due_set.mark_stored([StoredSlot(self.series, at_ms, early_ms)])

    async def flaws(self) -> list[object]:
        """The missing and duplicate slots of the history."""
        gaps = [Gap(one.from_ms, one.to_ms) for one in await due_set.list_gaps()]
        window = range(START - 60_000, self.now_ms - SETTLE_MS)
        beats = [one for one in self.beats if one.at_ms in window]
        return [*review_series(self.series, self.eras, gaps, beats, window).errors]


@pytest.mark.parametrize("seed", range(60))
async def test_each_slot_is_claimed_or_a_gap(seed):
    life, active = Life(seed), True
    await due_set.mark_built()
    await life.be_changed(active=True, anew=True)
    for _ in range(life.dice.randrange(4, 9)):
        for _ in range(life.dice.randrange(1, 40)):
            await life.pass_time(life.dice.choice((100, 1_500, 40_000)))
        active = life.dice.random() < 0.7
        await life.be_changed(active=active, anew=life.dice.random() < 0.6)
    for _ in range(60):
        await life.pass_time(1_500)
    assert await life.flaws() == []


async def test_a_monitor_that_waits_for_pushes_misses_no_first_slot():
    plan = MonitorSchedule(1, 10_000, 4_000, 1)
    await due_set.mark_built()
    await due_set.put_series([plan], since_ms=START)
    (at_ms,) = [at for _, at in await queue.client().zrange("wk:due:1", 0, 0, withscores=True)]
    (slot,) = (await due_set.claim_due(10, at_ms=int(at_ms))).slots
    assert START < slot.at_ms <= START + 10_000
    assert not slot.early
