"""Reconcile loops of the scheduler: each finds and repairs one kind of damage, whatever caused it."""

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
from schema.jobs import CheckOutcome, MonitorSchedule, ResultBatch, ScheduleGap, Slot
from schema.status import Status

log = structlog.get_logger()

MAX_SLOTS = 1_000  # per run; the rest follows in the next
RESWEEP_S = 15.0  # before a delivery that was enqueued is swept again
MAX_BACKLOG_S = 60.0  # the longest that jobs may wait while their slots do not count as overdue
TOLERATED_SLOTS = 2  # slots that may pass before a series counts as stale


def _lost_outcome(slot: Slot) -> CheckOutcome:
    """The outcome of a slot that got no result twice: our failure, so unknown and never down."""
    return CheckOutcome(slot.series, slot.version, slot.at_ms, Status.UNKNOWN, code=NOT_CHECKED, early=slot.early)


class Reconciler:
    """Repairs the due set, gaps, deliveries and incidents. Its state only prevents repeated work."""

    def __init__(self) -> None:
        self._swept_at: dict[str, float] = {}  # delivery id -> when it was enqueued
        self.clock_repairs = ClockRepairs()

    async def rebuild(self) -> None:
        """Rebuild the due set from the database after Redis was emptied. Unchecked slots become gaps."""
        await self.clock_repairs.repair()
        covered = await schedule_coverage.list_active(clock.now_ms())
        await self._restore(covered)
        await due_set.mark_built()
        log.warning("schedule.rebuilt", n=len(covered))

    async def _restore(self, covered: Sequence[schedule_coverage.SeriesCoverage], *, overwrite: bool = False) -> None:
        """Put series back into the due set; the slots since their last check become gaps.

        overwrite  replace existing due times, because they are wrong
        """
        now_ms = clock.now_ms()
        await due_set.add_gaps(gap for one in covered if (gap := _missed_gap(one, now_ms)))
        await due_set.put_series([one.schedule for one in covered], since_ms=now_ms, reset=overwrite)
        pushed = [one.schedule for one in covered if one.is_push]
        await due_set.put_series(pushed, first_at_ms=now_ms)  # a deadline may be near
        await self.store_pending_gaps()

    async def requeue_overdue(self) -> None:
        """Requeue slots without a result once; the second time record them as unknown.

        While jobs wait, results come later by as much: a slot that waits for its turn would be checked twice, which
        makes all others wait longer still.
        """
        backlog_s = await queue.oldest_age_s("check") + await queue.oldest_age_s("ingest")
        overdue = await due_set.claim_overdue(MAX_SLOTS, backlog_ms=round(min(MAX_BACKLOG_S, backlog_s) * 1000))
        if overdue.requeue:
            await queue.put(*queue.check_jobs(overdue.requeue))
        if overdue.lost:
            await queue.put(*queue.result_jobs([_lost_outcome(slot) for slot in overdue.lost]))
        if overdue.requeue or overdue.lost:
            log.warning("schedule.slots_overdue", n_requeued=len(overdue.requeue), n_lost=len(overdue.lost))

    async def store_gaps(self, gaps: Sequence[ScheduleGap]) -> None:
        """Enqueue gaps for ingest; Redis keeps them until they are stored."""
        await queue.put(*(ResultBatch(gaps=list(gaps[at : at + 500])) for at in range(0, len(gaps), 500)))

    async def store_pending_gaps(self) -> None:
        """Enqueue the gaps whose job was lost."""
        if gaps := await due_set.list_gaps():
            await self.store_gaps(gaps)

    async def reconcile(self) -> None:
        """Bring the due set in line with the database: changes whose message was lost, series that are missing."""
        scheduled = await due_set.list_scheduled()
        schedules = {schedule.series: schedule for schedule in await series.list_schedules()}
        changed = {no for no, schedule in schedules.items() if due_set.has_changed(schedule, scheduled.get(no))}
        gone = [no for no in scheduled if no not in schedules]
        damaged = await due_set.count_unscheduled() > 0
        if changed or damaged:
            covered = await schedule_coverage.list_active(clock.now_ms())
            await self._restore([one for one in covered if damaged or one.schedule.series in changed])
        await self._repair_future_due(await due_set.find_misplaced(schedules))
        await due_set.remove_series(gone)
        scheduler_metrics.MONITORS.set(len(schedules))
        if changed or gone or damaged:
            log.info("schedule.reconciled", n_changed=len(changed), n_removed=len(gone), damaged=damaged)

    async def _repair_future_due(self, series_: Sequence[int]) -> None:
        """Check series at once whose due times are too far ahead: since the clock was corrected nobody did."""
        if not series_:
            return
        log.warning("schedule.due_times_reset", n=len(series_))
        self.clock_repairs.note(f"{len(series_)} monitors were due in the future: the clock was ahead")
        await self.clock_repairs.repair()
        misplaced = set(series_)
        active = await schedule_coverage.list_active(clock.now_ms())
        covered = [one for one in active if one.schedule.series in misplaced]
        await self._restore(covered, overwrite=True)
        await due_set.put_series([one.schedule for one in covered], first_at_ms=clock.now_ms())

    async def remove_wrong_types(self) -> None:
        """Remove keys of a wrong type, set by another program on the same Redis database."""
        if removed := await redis_keys.remove_mistyped():
            log.warning("redis.mistyped_keys_removed", keys=removed)

    async def remove_wrong_named_types(self) -> None:
        """Remove keys of a wrong type among those with an id in their name."""
        if removed := await redis_keys.remove_mistyped_by_prefix():
            log.warning("redis.mistyped_keys_removed", keys=removed)

    async def sweep_deliveries(self) -> None:
        """Enqueue deliveries that are due: retries, and what a crash left behind."""
        now = monotonic()
        self._swept_at = {id_: at for id_, at in self._swept_at.items() if now - at < RESWEEP_S}
        waiting = {
            channel: [id_ for id_ in ids if id_ not in self._swept_at]
            for channel, ids in (await delivery_queue.due_deliveries(clock.now_ms())).items()
        }
        await queue.put(*queue.notify_jobs(waiting))
        self._swept_at.update((id_, now) for ids in waiting.values() for id_ in ids)
        await self._measure_deliveries()

    async def _measure_deliveries(self) -> None:
        backlog, health = await delivery_queue.backlog(), await channel_health.count_unhealthy(clock.now_ms())
        scheduler_metrics.OPEN_DELIVERIES.set(backlog.count)
        age_ms = clock.now_ms() - backlog.oldest_ms if backlog.oldest_ms else 0
        scheduler_metrics.OLDEST_DELIVERY.set(max(0.0, age_ms / 1000))
        scheduler_metrics.OPEN_CIRCUITS.set(health.circuit_open)
        scheduler_metrics.DISABLED_CHANNELS.set(health.disabled)

    async def escalate(self) -> None:
        """Run due escalation steps of unacknowledged incidents. The sweep finds deliveries that a crash left."""
        escalated = await escalations.run_due_steps(clock_watch.cautious_now_ms())  # no step may run too early
        await queue.put(*queue.notify_jobs(escalated.deliveries))
        await live.publish(events=escalated.events)
        if escalated.events:
            log.info("incident.escalated", n=len(escalated.events), n_channels=len(escalated.deliveries))

    async def open_missing_incidents(self) -> None:
        """Open incidents for monitors that are down without one, for example after a pause."""
        await live.publish(events=await incidents.open_missing(clock.now_ms()))

    async def measure(self) -> None:
        """Measure queue depth, queue age, stale monitors and open incidents."""
        for name in queue.QUEUES.values():
            scheduler_metrics.QUEUE_DEPTH.labels(queue=name).set(await queue.depth(name))
            scheduler_metrics.QUEUE_AGE.labels(queue=name).set(await queue.oldest_age_s(name))
        scheduler_metrics.STALE_MONITORS.set(await self._count_stale())
        scheduler_metrics.OPEN_INCIDENTS.set(await incidents.count_open())

    async def _count_stale(self) -> int:
        stale, late = set(await due_set.list_stale()), await due_set.list_late(2 * 5_000)
        if late:
            schedules = {schedule.series: schedule for schedule in await series.list_schedules()}
            now_ms = clock.now_ms()
            known = ((no, at_ms, schedules[no]) for no, at_ms in late if no in schedules)
            stale |= {no for no, at_ms, schedule in known if _slots_passed(schedule, at_ms, now_ms) > TOLERATED_SLOTS}
        return len(stale)


def _slots_passed(schedule: MonitorSchedule, since_ms: int, now_ms: int) -> int:
    """Slots since then, counted up to one more than TOLERATED_SLOTS."""
    passed = slots.due_between(schedule.series, schedule, since_ms + 1, now_ms)
    return sum(1 for _ in islice(passed, TOLERATED_SLOTS + 1))


def _missed_gap(covered: schedule_coverage.SeriesCoverage, now_ms: int) -> ScheduleGap | None:
    """The gap between the newest covered slot and the next one to be claimed; None: no slot is missing."""
    schedule: MonitorSchedule = covered.schedule
    upcoming = slots.next_due(schedule.series, schedule, now_ms)
    first = slots.next_due(schedule.series, schedule, covered.covered_until_ms)
    if upcoming is None or first is None or first >= upcoming:
        return None
    return ScheduleGap(schedule.series, first, upcoming - 1, reason="the schedule was lost")
