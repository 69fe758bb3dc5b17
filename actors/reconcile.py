"""The scheduler's repairs: each finds one kind of damage and mends it, however it came about."""

from collections.abc import Sequence
from itertools import islice
from time import monotonic

import structlog

from actors import scheduler_metrics
from actors.clock_repairs import ClockRepairs
from app import clock_watch, due_set, live, queue, redis_keys
from app.domain.schedule import slots
from app.store.alerting import channel_health, delivery_queue
from app.store.incidents import incidents
from app.store.monitoring import schedule_coverage, series
from app.store.transactions import escalations
from schema.heartbeat_texts import NOT_CHECKED
from schema.jobs import CheckBatch, Gap, Outcome, Plan, ResultBatch, Slot
from schema.status import Status

log = structlog.get_logger()

LIMIT = 1_000  # slots per repair; the rest follows at the next
PER_JOB = 100
SWEPT_AGAIN_S = 15.0  # a delivery that was put is left alone this long
BACKLOG = 200  # jobs waiting for checks; beyond that workers are behind, and doubling their work helps nobody
TOLERATED = 2  # slots that may pass before a series counts as left behind


def _lost(slot: Slot) -> Outcome:
    """Nobody answered for this slot, twice: our fault, so unknown and never down."""
    return Outcome(slot.series, slot.version, slot.at_ms, Status.UNKNOWN, code=NOT_CHECKED, early=slot.early)


def _chunks(slots_: Sequence[Slot]) -> list[Sequence[Slot]]:
    return [slots_[start : start + PER_JOB] for start in range(0, len(slots_), PER_JOB)]


class Repairs:
    """State between repairs is only what keeps them from repeating themselves."""

    def __init__(self) -> None:
        self._put_at: dict[str, float] = {}  # delivery id -> when it was put
        self.clock = ClockRepairs()

    async def rebuild(self) -> None:
        """Make the due set from the database: Redis was emptied. What nobody checked meanwhile becomes a gap."""
        await self.clock.set_right()
        covered = await schedule_coverage.of_active(due_set.now_ms())
        await self._restore(covered)
        await due_set.built()
        log.warning("schedule.rebuilt", n=len(covered))

    async def _restore(self, covered: Sequence[schedule_coverage.Covered], *, anew: bool = False) -> None:
        """Put series back into the due set; the slots since they were last looked at become gaps.

        anew  a due time that is there is wrong
        """
        now_ms = due_set.now_ms()
        await due_set.note_gaps(gap for one in covered if (gap := _missed(one, now_ms)))
        await due_set.put([one.plan for one in covered], since_ms=now_ms, anew=anew)
        await due_set.put([one.plan for one in covered if one.reports], first_at_ms=now_ms)  # a deadline may be near
        await self.pending_gaps()

    async def overdue(self) -> None:
        """Slots that did not land: queued once more, then recorded as unknown."""
        late = await due_set.overdue(LIMIT)
        if late.again and await queue.depth("check") < BACKLOG:
            await queue.put(*(CheckBatch(list(chunk)) for chunk in _chunks(late.again)))
        if late.lost:
            await queue.put(*(ResultBatch([_lost(slot) for slot in chunk]) for chunk in _chunks(late.lost)))
        if late.again or late.lost:
            log.warning("schedule.overdue", n_again=len(late.again), n_lost=len(late.lost))

    async def store_gaps(self, gaps: Sequence[Gap]) -> None:
        """Have gaps stored; Redis keeps them until they are."""
        await queue.put(*(ResultBatch(gaps=list(gaps[at : at + 500])) for at in range(0, len(gaps), 500)))

    async def pending_gaps(self) -> None:
        """Gaps whose job got lost."""
        if gaps := await due_set.gaps():
            await self.store_gaps(gaps)

    async def reconcile(self) -> None:
        """Make the due set say what the database says: changes whose message was lost, series that fell out."""
        kept = await due_set.planned()
        wanted = {plan.series: plan for plan in await series.plans()}
        changed = {no for no, plan in wanted.items() if due_set.differs(plan, kept.get(no))}
        gone = [no for no in kept if no not in wanted]
        damaged = await due_set.unscheduled() > 0
        if changed or damaged:
            covered = await schedule_coverage.of_active(due_set.now_ms())
            await self._restore([one for one in covered if damaged or one.plan.series in changed])
        await self._set_right(await due_set.misplaced(wanted))
        await due_set.drop(gone)
        scheduler_metrics.MONITORS.set(len(wanted))
        if changed or gone or damaged:
            log.info("schedule.reconciled", n_changed=len(changed), n_gone=len(gone), damaged=damaged)

    async def _set_right(self, series_: Sequence[int]) -> None:
        """Check series whose due times lie in the future at once: nobody has since the clock was put right."""
        if not series_:
            return
        log.warning("schedule.was_ahead", n=len(series_))
        self.clock.note(f"{len(series_)} monitors were due in the future: the clock was ahead")
        await self.clock.set_right()
        wanted = set(series_)
        covered = [one for one in await schedule_coverage.of_active(due_set.now_ms()) if one.plan.series in wanted]
        await self._restore(covered, anew=True)
        await due_set.put([one.plan for one in covered], first_at_ms=due_set.now_ms())

    async def types(self) -> None:
        """Keys of a wrong type: somebody else's program on the same database of Redis."""
        if wrong := await redis_keys.remove_wrong():
            log.warning("redis.wrong_types", keys=wrong)

    async def named_types(self) -> None:
        """The same for keys that are named after something."""
        if wrong := await redis_keys.remove_wrong_named():
            log.warning("redis.wrong_types", keys=wrong)

    async def sweep(self) -> None:
        """Deliveries that should be on their way and are not: retries whose time has come, and what a crash left."""
        now = monotonic()
        self._put_at = {id_: at for id_, at in self._put_at.items() if now - at < SWEPT_AGAIN_S}
        waiting = {
            channel: [id_ for id_ in ids if id_ not in self._put_at]
            for channel, ids in (await delivery_queue.due(due_set.now_ms())).items()
        }
        jobs = queue.notify_jobs(waiting)
        if jobs:
            await queue.put(*jobs)
            self._put_at.update((id_, now) for job in jobs for id_ in job.deliveries)
        await self._measure_deliveries()

    async def _measure_deliveries(self) -> None:
        backlog, health = await delivery_queue.backlog(), await channel_health.count(due_set.now_ms())
        scheduler_metrics.OPEN_DELIVERIES.set(backlog.count)
        age_ms = due_set.now_ms() - backlog.oldest_ms if backlog.oldest_ms else 0
        scheduler_metrics.OLDEST_DELIVERY.set(max(0.0, age_ms / 1000))
        scheduler_metrics.RESTING.set(health.resting)
        scheduler_metrics.PAUSED.set(health.paused)

    async def escalate(self) -> None:
        """Tell the next ones of incidents that nobody acknowledged. What a crash leaves untold, the sweep finds."""
        taken = await escalations.take_due(clock_watch.cautious_now_ms())  # no step may come too early
        await queue.put(*queue.notify_jobs(taken.deliveries))
        await live.publish_events(taken.events)
        if taken.events:
            log.info("incident.escalated", n=len(taken.events), n_channels=len(taken.deliveries))
        scheduler_metrics.OPEN_INCIDENTS.set(await incidents.open_count())

    async def outages(self) -> None:
        """Monitors that are down and have no incident: since before there were any, or after a pause."""
        await live.publish_events(await incidents.mend(due_set.now_ms()))

    async def watch(self) -> None:
        """Measure ourselves: how long jobs wait, which monitors nobody checks."""
        for name in queue.QUEUES.values():
            scheduler_metrics.QUEUE_DEPTH.labels(queue=name).set(await queue.depth(name))
            scheduler_metrics.QUEUE_AGE.labels(queue=name).set(await queue.age_s(name))
        scheduler_metrics.UNCHECKED.set(await self._unchecked())

    async def _unchecked(self) -> int:
        stale, late = set(await due_set.stale()), await due_set.late(2 * 5_000)
        if late:
            plans = {plan.series: plan for plan in await series.plans()}
            now_ms = due_set.now_ms()
            stale |= {no for no, at_ms in late if no in plans and _slots_passed(plans[no], at_ms, now_ms) > TOLERATED}
        return len(stale)


def _slots_passed(plan: Plan, since_ms: int, now_ms: int) -> int:
    """Slots since then, as far as they matter."""
    return sum(1 for _ in islice(slots.due_between(plan.series, plan, since_ms + 1, now_ms), TOLERATED + 1))


def _missed(covered: schedule_coverage.Covered, now_ms: int) -> Gap | None:
    """The slots between the newest one that is accounted for and the next one that will be claimed."""
    plan: Plan = covered.plan
    upcoming = slots.next_due(plan.series, plan, now_ms)
    first = slots.next_due(plan.series, plan, covered.until_ms)
    if upcoming is None or first is None or first >= upcoming:
        return None
    return Gap(plan.series, first, upcoming - 1, reason="the schedule was lost")
