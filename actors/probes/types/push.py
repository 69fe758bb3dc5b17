"""Checks that the reports of a push monitor came in time, without a connection: the API receives them."""

from redis.exceptions import RedisError

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from app import clock, clock_watch, interruptions, queue
from app.db import TRANSIENT_ERRORS
from app.domain.monitoring import push_deadlines
from app.domain.monitoring.push_deadlines import PushSchedule, PushStatus, ReceivedReports
from app.errors import Unavailable
from app.store.transactions import results
from schema.heartbeat_texts import PUSHED, REPORTED, STARTED
from schema.jobs import PUSHED_KEY, STARTED_KEY
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Push


async def probe(target: Push, check: RunningCheck) -> ProbeResult:
    """Evaluate the reports received up to the slot."""
    snapshot, at_ms = check.snapshot, check.slot.at_ms
    schedule = push_schedule(target, snapshot)
    reports = await load_reports(snapshot, push_deadlines.oldest_relevant_ms(schedule, at_ms))
    status = push_deadlines.evaluate(reports, schedule, at_ms)
    if status.status is Status.DOWN:
        raise TargetFailed(
            status.reason, detail={"last_push_ms": abs(reports.report_ms)} if reports.report_ms else None
        )
    return _result_from(status)


def _result_from(status: PushStatus) -> ProbeResult:
    code = REPORTED if status.status is Status.UP else 0
    return ProbeResult(status.status, code, status.reason, recheck_ms=status.recheck_ms)


def push_schedule(target: Push, snapshot: Snapshot) -> PushSchedule:
    """When this monitor's reports are expected."""
    grace_ms = None if target.grace is None else target.grace * 1000
    return PushSchedule(snapshot.interval_ms, snapshot.cron, snapshot.timezone, grace_ms)


async def load_reports(snapshot: Snapshot, relevant_since_ms: int) -> ReceivedReports:
    """The reports received.

    relevant_since_ms    a report this new is taken from Redis; otherwise the database is read too, since Redis may have
                         been emptied, and an outage needs better evidence
    raises               CheckInconclusive when the database can't be read
    """
    report_ms, started_ms, blind_periods = await _newest_in_redis(snapshot.series)
    if not report_ms or abs(report_ms) < relevant_since_ms:
        try:
            report_ms = max(report_ms, await _newest_stored(snapshot.series, relevant_since_ms, PUSHED), key=abs)
            started_ms = max(started_ms, abs(await _newest_stored(snapshot.series, relevant_since_ms, STARTED)))
        except (Unavailable, *TRANSIENT_ERRORS) as error:
            raise CheckInconclusive("our own database does not answer") from error
    return ReceivedReports(report_ms, started_ms, snapshot.created_ms, blind_periods)


async def _newest_stored(series: int, since_ms: int, code: int) -> int:
    return await results.newest_push_ms(
        series, since_ms, code, until_ms=clock.now_ms() + clock_watch.FUTURE_TOLERANCE_MS
    )


async def _newest_in_redis(series: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """The newest report in Redis (negative when it reported down) and the newest start; 0 for none.

    Also the periods in which one of our processes stalled, this one included: a report may have been lost.
    """
    own_periods = tuple(
        (one.from_ms, one.to_ms) for one in clock_watch.watch.interruptions if one.lost_s >= clock_watch.JUMP_S
    )
    try:
        async with queue.client().pipeline(transaction=False) as pipe:
            pipe.hget(PUSHED_KEY, str(series))
            pipe.hget(STARTED_KEY, str(series))
            pipe.hgetall(interruptions.KEY)
            report, started, reported = await pipe.execute()
    except (RedisError, OSError):
        return 0, 0, own_periods
    other_periods = tuple((one.from_ms, one.to_ms) for one in interruptions.parse_last_day(reported))
    return (
        _clamp_to_now(report),
        _clamp_to_now(started),
        tuple(one for one in (*own_periods, *other_periods) if one[1] > one[0]),
    )


def _clamp_to_now(raw: bytes | None) -> int:
    """An instant that a fast clock has stored, limited to now."""
    at_ms, now_ms = int(raw or 0), clock.now_ms()
    return max(-now_ms, min(now_ms, at_ms)) if clock_watch.is_in_future(abs(at_ms), now_ms) else at_ms
