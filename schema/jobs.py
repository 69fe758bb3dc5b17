"""Jobs in Redis: slots to check, outcomes to store, deliveries to send.

Slots, outcomes and gaps are array-like, since a batch has a hundred of them. Add new fields at the end, with defaults:
two versions of the code share one queue during an upgrade.
"""

from typing import Any

from msgspec import Struct

from schema.status import Status

PUSHED_KEY = "wk:pushed"  # Redis hash: series -> epoch ms of its newest report, negative when it reported down
STARTED_KEY = "wk:started"  # Redis hash: series -> epoch ms of its newest start


class Slot(Struct, frozen=True, array_like=True):
    """A due time of one series, claimed by the scheduler.

    at_ms    epoch milliseconds of the due time; with `series` the key of its heartbeat
    version  of the monitor's definition, so that workers need no query
    attempt  0, or 1 when the first worker never returned a result
    early    a retry, a first check or a run-now: not on the monitor's own schedule
    """

    series: int
    version: int
    at_ms: int
    attempt: int = 0
    early: bool = False


class MonitorSchedule(Struct, frozen=True):
    """When a series is due: all that the due set stores of a monitor.

    interval_ms  0: by `cron` in `timezone`; without `cron` on demand only
    """

    series: int
    interval_ms: int
    timeout_ms: int
    version: int
    cron: str = ""
    timezone: str = "UTC"


class ExpiringItem(Struct, frozen=True, array_like=True):
    """A certificate or domain that a check found and that expires soon.

    kind      certificate or domain
    identity  the certificate's fingerprint, or the domain and its date; empty when it has expired and was not shown
    issuer    the authority of a certificate, the registrar of a domain
    """

    kind: str
    identity: str
    name: str
    issuer: str
    expires_ms: int


class CheckOutcome(Struct, frozen=True, array_like=True):
    """The outcome of one check.

    status      UP, DOWN, DEGRADED or UNKNOWN: the raw status, before retries and maintenance windows
    began_ms    epoch milliseconds when the check started; minus `at_ms` = lateness
    took_us     microseconds until the result
    code        code of a common message (see `schema.heartbeat_texts`); 0 when `message` has the text
    detail      facts for people: status code, headers, records, certificate
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
    recheck_ms: int = 0  # when to check again before the next slot; 0: by the usual rules
    expiring: ExpiringItem | None = None  # what expires soon


class ScheduleGap(Struct, frozen=True, array_like=True):
    """Due slots that no worker could check, both ends included, in epoch milliseconds.

    interval_ms  of the series when no worker can have claimed these slots: a few of them are then stored one by one, as
                 unknown heartbeats. 0: a result may still arrive, so they stay a gap
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
    """Job for the queue `notify`: ids of deliveries by channel."""

    deliveries: dict[str, list[str]]
    request_id: str = ""


class AdHocProbe(Struct, frozen=True):
    """Job for the queue `check`: probe a target once and store nothing. The caller waits for the outcome.

    type     the type of the target that `encrypted_target` holds as JSON with encrypted secrets
    token    the outcome is pushed to the list `reply_key(token)`, as JSON
    proxy    the `ProxyConfig` of the check, its secrets encrypted too; empty: none
    """

    type: str
    encrypted_target: str
    timeout_ms: int
    token: str
    proxy: str = ""


Job = CheckBatch | ResultBatch | NotifyBatch | AdHocProbe


def reply_key(token: str) -> str:
    """The Redis list on which the caller waits for the outcome."""
    return f"wk:reply:{token}"
