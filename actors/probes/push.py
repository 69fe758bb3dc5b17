"""Looks whether the last report of a push monitor came in time. Asks nobody outside: reports come to the API."""

from redis.exceptions import RedisError

from actors.probes.seen import Failed, Seen, Unsure
from actors.probes.tools import Asked
from app import queue
from app.db import TROUBLE
from app.errors import Unavailable
from app.store import heartbeats
from schema.messages import REPORTED
from schema.targets import Push

# Redis hash: series -> epoch ms of its newest report, negative when the report itself said "down":
# silence after bad news is no good news.
PUSHED_KEY = "wk:pushed"
GRACE = 0.1  # of the interval: cron and networks are late now and then
LEAST_GRACE_MS = 2_000


async def probe(target: Push, asked: Asked) -> Seen:  # noqa: ARG001 - a push target has nothing that could be asked
    """A good report within the interval before the slot, and a little grace, will do."""
    snapshot = asked.snapshot
    oldest_ms = asked.slot.at_ms - allowed_ms(snapshot.interval_ms)
    report_ms = await last_report_ms(snapshot.series, oldest_ms)
    if report_ms >= oldest_ms:
        return Seen(code=REPORTED)
    if -report_ms >= oldest_ms:
        raise Failed("the last push said down")
    if snapshot.created_ms > oldest_ms:
        raise Unsure("waiting for the first push")
    raise Failed(
        f"no push within {snapshot.interval_ms / 1000:g} s",
        detail={"last_push_ms": abs(report_ms)} if report_ms else None,
    )


def allowed_ms(interval_ms: int) -> int:
    """How old the newest report may be at a slot."""
    return interval_ms + max(LEAST_GRACE_MS, round(interval_ms * GRACE))


async def last_report_ms(series: int, wanted_ms: int) -> int:
    """The newest report as PUSHED_KEY holds it, 0 for none.

    wanted_ms    a report this new is believed from Redis; in every other case the record is read too, for Redis may
                 have been emptied, and an outage needs a better witness
    raises       Unsure when the record can't be read
    """
    remembered_ms = await _remembered_ms(series)
    if abs(remembered_ms) >= wanted_ms:
        return remembered_ms
    try:
        recorded_ms = await heartbeats.newest_push(series, wanted_ms)
    except (Unavailable, *TROUBLE) as error:
        raise Unsure("our own database does not answer") from error
    return max(remembered_ms, recorded_ms, key=abs)


async def _remembered_ms(series: int) -> int:
    try:
        return int(await queue.client().hget(PUSHED_KEY, str(series)) or 0)
    except (RedisError, OSError):
        return 0
