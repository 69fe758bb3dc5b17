"""Parses a push report from its path, query and body. Pure.

Jobs do not look at the response: a report that is rejected is an outage without an alert. So only an unclear *state* is
rejected. Any other invalid parameter is cut or ignored, and the response names it.
"""

import re
from collections.abc import Collection

from msgspec import Struct

from app.domain.parsing import untrusted_json
from app.errors import Invalid
from schema.heartbeat_texts import LOGGED, PUSHED, STARTED
from schema.status import Status

MESSAGE_LIMIT = 250  # characters, stored with the heartbeat
BODY_LIMIT_BYTES = 10_000  # of a body, stored
DEFAULT_MESSAGES = {"", "OK"}  # what clients send without a message: not stored
INFORMATIONAL_SIGNALS = {"start": STARTED, "log": LOGGED}  # they do not change the status
BAD_STATUS = "must be up or down"
BAD_SIGNAL = "must be start, fail, log or an exit code such as 0"
_EXIT_CODE = re.compile(r"-?[0-9]{1,10}")  # Windows has them from -2147483648 to 4294967295
_MILLISECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]*)?")
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PushReport(Struct, frozen=True):
    """One report.

    code     PUSHED for a result, STARTED or LOGGED for what does not change the status
    took_ms  as the job measured it; 0: measured here when the run's start is known
    run_id   empty: the job names no runs
    body     its first bytes, some more than are stored
    ignored  parameters that were ignored because they are not valid
    """

    code: int
    status: Status
    message: str = ""
    took_ms: float = 0
    run_id: str = ""
    body: bytes = b""
    ignored: tuple[str, ...] = ()


def parse_report(
    signal: str, statuses: Collection[str], msg: str = "", ping: str = "", rid: str = "", body: bytes = b""
) -> PushReport:
    """Parse a report.

    signal    the last part of the path
    statuses  every `status` of the query
    raises    Invalid for an unclear state: an unknown word, or two that contradict each other
    """
    states = {word.strip().lower() for word in statuses}
    if states - {"up", "down"} or len(states) > 1:
        raise Invalid.for_field("status", BAD_STATUS)
    code, status, default = _from_signal(signal.lower()) if signal else _from_status(states)
    consistent = {"up"} if status is Status.UP else {"down"}
    if code == PUSHED and not states <= consistent:
        raise Invalid.for_field("status", "contradicts the path; leave it out")
    if code == PUSHED and (in_body := _status_in_body(body)) and in_body not in consistent:
        raise Invalid.for_field(
            "status", f"is {in_body!r} in the body, which is only stored; send it in the address, as ?status={in_body}"
        )
    return PushReport(
        code,
        status,
        default if msg in DEFAULT_MESSAGES else msg,
        float(ping) if _MILLISECONDS.fullmatch(ping) else 0,
        rid if _RUN_ID.fullmatch(rid) else "",
        body,
        _ignored_parameters(ping, rid),
    )


def _from_status(states: set[str]) -> tuple[int, Status, str]:
    if states == {"down"}:
        return PUSHED, Status.DOWN, "reported as down"
    return PUSHED, Status.UP, ""


def _from_signal(signal: str) -> tuple[int, Status, str]:
    if signal in INFORMATIONAL_SIGNALS:
        return INFORMATIONAL_SIGNALS[signal], Status.UNKNOWN, ""
    if signal == "fail":
        return PUSHED, Status.DOWN, "reported as failed"
    if not _EXIT_CODE.fullmatch(signal):
        raise Invalid.for_field("signal", BAD_SIGNAL)
    exit_code = int(signal)
    return (PUSHED, Status.DOWN, f"exit code {exit_code}") if exit_code else (PUSHED, Status.UP, "")


def _status_in_body(body: bytes) -> str:
    """`status` of a JSON object in the body; empty for every other body: those are logs."""
    if not body.lstrip().startswith(b"{") or len(body) > BODY_LIMIT_BYTES:
        return ""
    try:
        status = untrusted_json.decode(body).get("status")
    except (ValueError, RecursionError):
        return ""
    word = status.strip().lower() if isinstance(status, str) else ""
    return word if word in {"up", "down"} else ""


def _ignored_parameters(ping: str, rid: str) -> tuple[str, ...]:
    names = [("ping", ping, _MILLISECONDS), ("rid", rid, _RUN_ID)]
    return tuple(name for name, text, pattern in names if text and not pattern.fullmatch(text))
