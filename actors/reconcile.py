"""The scheduler's repairs: each finds one kind of damage and mends it, however it came about."""

from collections.abc import Sequence
from itertools import islice
from time import monotonic

import structlog

from actors import scheduler_metrics
from actors.clock_repairs import ClockRepairs
from app import clock, clock_watch, due_set, live, queue, redis_keys
from app.domain.schedule import slots
from app.store.alerting import channel_health, delivery_queue
from app.store.incidents import incidents
from app.store.monitoring import schedule_coverage, series
from app.store.transactions import escalations
from schema.heartbeat_texts import NOT_CHECKED
from schema.jobs import CheckBatch, CheckOutcome, MonitorSchedule, ResultBatch, ScheduleGap, Slot
from schema.status import Status

log = structlog.get_logger()

MAX_SLOTS = 1_000  # slots per repair; the rest follows at the next
SLOTS_PER_JOB = 100
RESWEEP_S = 15.0  # a delivery that was put is left alone this long
MAX_CHECK_BACKLOG = 200  # jobs waiting for checks; beyond that workers are behind, and doubling their work helps nobody
TOLERATED_SLOTS = 2  # slots that may pass before a series counts as left behind


def _lost_outcome(slot: Slot) -> CheckOutcome:
    """Nobody answered for this slot, twice: our fault, so unknown and never down."""
    return CheckOutcome(slot.series, slot.version, slot.at_ms, Status.UNKNOWN, code=NOT_CHECKED, early=slot.early)


def _chunks(slots_: Sequence[Slot]) -> list[Sequence[Slot]]:
    return [slots_[start : start + SLOTS_PER_JOB] for start in range(0, len(slots_), SLOTS_PER_JOB)]


class Reconciler:
    """State between repairs is only what keeps them from repeating themselves."""

    def __init__(self) -> None:
        self._swept_at: dict[str, float] = {}  # delivery id -> when it was put
        self.clock_repairs = ClockRepairs()

    async def rebuild(self) -> None:
        """Make the due set from the database: Redis was emptied. What nobody checked meanwhile becomes a gap."""
        await self.clock_repairs.repair()
        covered = await schedule_coverage.list_active(clock.now_ms())
        await self._restore(covered)
        await due_set.mark_built()
        log.warning("schedule.rebuilt", n=len(covered))

    async def _restore(self, covered: Sequence[schedule_coverage.SeriesCoverage], *, overwrite: bool = False) -> None:
        """Put series back into the due set; the slots since they were last looked at become gaps.

        anew  a due time that is there is wrong
        """
        now_ms = clock.now_ms()
        await due_set.add_gaps(gap for one in covered if (gap := _missed_gap(one, now_ms)))
        await due_set.put_series([one.schedule for one in covered], since_ms=now_ms, reset=overwrite)
        await due_set.put_series(
            [one.schedule for one in covered if one.is_push], first_at_ms=now_ms
        )  # a deadline may be near
        await self.store_pending_gaps()

    async def requeue_overdue(self) -> None:
        """Slots that did not land: queued once more, then recorded as unknown."""
        late = await due_set.claim_overdue(MAX_SLOTS)
        if late.requeue and await queue.depth("check") < MAX_CHECK_BACKLOG:
            await queue.put(*(CheckBatch(list(chunk)) for chunk in _chunks(late.requeue)))
        if late.lost:
            await queue.put(*(ResultBatch([_lost_outcome(slot) for slot in chunk]) for chunk in _chunks(late.lost)))
        if late.requeue or late.lost:
            log.warning("schedule.overdue", n_again=len(late.requeue), n_lost=len(late.lost))

    async def store_gaps(self, gaps: Sequence[ScheduleGap]) -> None:
        """Have gaps stored; Redis keeps them until they are."""
        await queue.put(*(ResultBatch(gaps=list(gaps[at : at + 500])) for at in range(0, len(gaps), 500)))

    async def store_pending_gaps(self) -> None:
        """Gaps whose job got lost."""
        if gaps := await due_set.list_gaps():
            await self.store_gaps(gaps)

    async def reconcile(self) -> None:
        """Make the due set say what the database says: changes whose message was lost, series that fell out."""
        kept = await due_set.list_scheduled()
        wanted = {plan.series: plan for plan in await series.list_schedules()}
        changed = {no for no, plan in wanted.items() if due_set.has_changed(plan, kept.get(no))}
        gone = [no for no in kept if no not in wanted]
        damaged = await due_set.count_unscheduled() > 0
        if changed or damaged:
            covered = await schedule_coverage.list_active(clock.now_ms())
            await self._restore([one for one in covered if damaged or one.schedule.series in changed])
        await self._repair_future_due(await due_set.find_misplaced(wanted))
        await due_set.remove_series(gone)
        scheduler_metrics.MONITORS.set(len(wanted))
        if changed or gone or damaged:
            log.info("schedule.reconciled", n_changed=len(changed), n_gone=len(gone), damaged=damaged)

    async def _repair_future_due(self, series_: Sequence[int]) -> None:
        """Check series whose due times lie in the future at once: nobody has since the clock was put right."""
        if not series_:
            return
        log.warning("schedule.was_ahead", n=len(series_))
        self.clock_repairs.note(f"{len(series_)} monitors were due in the future: the clock was ahead")
        await self.clock_repairs.repair()
        wanted = set(series_)
        covered = [one for one in await schedule_coverage.list_active(clock.now_ms()) if one.schedule.series in wanted]
        await self._restore(covered, overwrite=True)
        await due_set.put_series([one.schedule for one in covered], first_at_ms=clock.now_ms())

    async def remove_wrong_types(self) -> None:
        """Keys of a wrong type: somebody else's program on the same database of Redis."""
        if wrong := await redis_keys.remove_mistyped():
            log.warning("redis.wrong_types", keys=wrong)

    async def remove_wrong_named_types(self) -> None:
        """The same for keys that are named after something."""
        if wrong := await redis_keys.remove_mistyped_by_prefix():
            log.warning("redis.wrong_types", keys=wrong)

    async def sweep_deliveries(self) -> None:
        """Deliveries that should be on their way and are not: retries whose time has come, and what a crash left."""
        now = monotonic()
        self._swept_at = {id_: at for id_, at in self._swept_at.items() if now - at < RESWEEP_S}
        waiting = {
            channel: [id_ for id_ in ids if id_ not in self._swept_at]
            for channel, ids in (await delivery_queue.due_deliveries(clock.now_ms())).items()
        }
        jobs = queue.notify_jobs(waiting)
        if jobs:
            await queue.put(*jobs)
            self._swept_at.update((id_, now) for job in jobs for id_ in job.deliveries)
        await self._measure_deliveries()

    async def _measure_deliveries(self) -> None:
        backlog, health = await delivery_queue.backlog(), await channel_health.count_unhealthy(clock.now_ms())
        scheduler_metrics.OPEN_DELIVERIES.set(backlog.count)
        age_ms = clock.now_ms() - backlog.oldest_ms if backlog.oldest_ms else 0
        scheduler_metrics.OLDEST_DELIVERY.set(max(0.0, age_ms / 1000))
        scheduler_metrics.OPEN_CIRCUITS.set(health.circuit_open)
        scheduler_metrics.DISABLED_CHANNELS.set(health.disabled)

    async def escalate(self) -> None:
        """Tell the next ones of incidents that nobody acknowledged. What a crash leaves untold, the sweep finds."""
        taken = await escalations.run_due_steps(clock_watch.cautious_now_ms())  # no step may come too early
        await queue.put(*queue.notify_jobs(taken.deliveries))
        await live.publish_events(taken.events)
        if taken.events:
            log.info("incident.escalated", n=len(taken.events), n_channels=len(taken.deliveries))
        scheduler_metrics.OPEN_INCIDENTS.set(await incidents.count_open())

    async def open_missing_incidents(self) -> None:
        """Monitors that are down and have no incident: since before there were any, or after a pause."""
        await live.publish_events(await incidents.open_missing(clock.now_ms()))

    async def measure(self) -> None:
        """Measure ourselves: how long jobs wait, which monitors nobody checks."""
        for name in queue.QUEUES.values():
            scheduler_metrics.QUEUE_DEPTH.labels(queue=name).set(await queue.depth(name))
            scheduler_metrics.QUEUE_AGE.labels(queue=name).set(await queue.oldest_age_s(name))
        scheduler_metrics.STALE_MONITORS.set(await self._count_stale())

    async def _count_stale(self) -> int:
        stale, late = set(await due_set.list_stale()), await due_set.list_late(2 * 5_000)
        if late:
            plans = {plan.series: plan for plan in await series.list_schedules()}
            now_ms = clock.now_ms()
            stale |= {
                no for no, at_ms in late if no in plans and _slots_passed(plans[no], at_ms, now_ms) > TOLERATED_SLOTS
            }
        return len(stale)


def _slots_passed(plan: MonitorSchedule, since_ms: int, now_ms: int) -> int:
    """Slots since then, as far as they matter."""
    return sum(1 for _ in islice(slots.due_between(plan.series, plan, since_ms + 1, now_ms), TOLERATED_SLOTS + 1))


def _missed_gap(covered: schedule_coverage.SeriesCoverage, now_ms: int) -> ScheduleGap | None:
    """The slots between the newest one that is accounted for and the next one that will be claimed."""
    plan: MonitorSchedule = covered.schedule
    upcoming = slots.next_due(plan.series, plan, now_ms)
    first = slots.next_due(plan.series, plan, covered.covered_until_ms)
    if upcoming is None or first is None or first >= upcoming:
        return None
    return ScheduleGap(plan.series, first, upcoming - 1, reason="the schedule was lost")
