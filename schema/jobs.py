"""What crosses Redis: slots on their way to a check, outcomes on their way to the store, deliveries to be sent.

Array-like, since a batch has a hundred of them. New fields go last and have defaults: two versions of the
code share one queue during an upgrade.
"""

from typing import Any

from msgspec import Struct

from schema.status import Status

PUSHED_KEY = "wk:pushed"  # Redis hash: series -> epoch ms of its newest report, negative when it said down
STARTED_KEY = "wk:started"  # Redis hash: series -> epoch ms of its newest start


class Slot(Struct, frozen=True, array_like=True):
    """A due time of one series, claimed by the scheduler.

    at_ms    epoch milliseconds of the due time; with `series` the key of the heartbeat to be
    version  of the monitor's definition, so that workers need no query
    attempt  0, or 1 when the first worker never answered
    early    a retry, a first check or a run-now: off the monitor's own grid
    """

    series: int
    version: int
    at_ms: int
    attempt: int = 0
    early: bool = False


class MonitorSchedule(Struct, frozen=True):
    """How often a series is due: all the due set knows of a monitor.

    interval_ms  0: by `cron` in `timezone`; without that on demand
    """

    series: int
    interval_ms: int
    timeout_ms: int
    version: int
    cron: str = ""
    timezone: str = "UTC"


class ExpiringItem(Struct, frozen=True, array_like=True):
    """Something that a check met and that expires.

    kind      certificate or domain
    identity  the certificate's fingerprint, the domain and its date; empty for one that ended and was not shown
    issuer    who stands for it; the registrar of a domain
    """

    kind: str
    identity: str
    name: str
    issuer: str
    expires_ms: int


class CheckOutcome(Struct, frozen=True, array_like=True):
    """What one check saw.

    seen        UP, DOWN, DEGRADED or UNKNOWN: the raw verdict, before retries and windows
    began_ms    epoch milliseconds when the check really started; minus `at_ms` = lateness
    took_us     microseconds until the verdict
    code        a usual message as a number (see `schema.heartbeat_texts`); 0 when `message` says it
    detail      what a person wants when it matters: status code, headers, records, certificate
    """

    series: int
    version: int
    at_ms: int
    status: Status
    began_ms: int = 0
    took_us: int = 0
    code: int = 0
    message: str = ""
    detail: dict[str, Any] | None = None
    early: bool = False  # as in Slot; a push too
    recheck_ms: int = 0  # when the series wants to be looked at before its next slot; 0: by the usual rules
    expiring: ExpiringItem | None = None  # what expires soon


class ScheduleGap(Struct, frozen=True, array_like=True):
    """Due slots that nobody could check, both ends included, epoch milliseconds.

    interval_ms  of the series when nobody can have claimed these slots: then a few of them are stored one by one, as
                 unknown heartbeats. 0: a result of theirs may still be on its way, so they stay a gap
    """

    series: int
    from_ms: int
    to_ms: int
    interval_ms: int = 0
    reason: str = "not checked"


class CheckBatch(Struct, frozen=True):
    """Job for the queue `check`."""

    slots: list[Slot]


class ResultBatch(Struct, frozen=True):
    """Job for the queue `ingest`."""

    outcomes: list[CheckOutcome] = []
    gaps: list[ScheduleGap] = []


class NotifyBatch(Struct, frozen=True):
    """Job for the queue `notify`: deliveries of one channel, by id."""

    channel_id: str
    deliveries: list[str]
    request_id: str = ""


class AdHocProbe(Struct, frozen=True):
    """Job for the queue `check`: a target that is probed once and kept nowhere. Whoever asked waits for the outcome.

    type     which target `sealed` holds, its secrets shut
    token    the outcome goes to the list `reply_key(token)`, as JSON
    proxy    the `ProxyConfig` that the check goes through, its secrets shut too; empty: none
    """

    type: str
    sealed: str
    timeout_ms: int
    token: str
    proxy: str = ""


Job = CheckBatch | ResultBatch | NotifyBatch | AdHocProbe


def reply_key(token: str) -> str:
    """The Redis list where somebody waits for an answer."""
    return f"wk:reply:{token}"
