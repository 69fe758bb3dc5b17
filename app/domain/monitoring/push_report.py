"""What a push report says, read from its path, its query and its body. Pure.

Jobs report, and nobody looks at the reply they get: a report that is refused is an outage that nobody hears of. So only
an unclear *state* is refused. Whatever else is wrong is cut or left out, and the reply names it.
"""

import re
from collections.abc import Collection

from msgspec import Struct

from app.domain.parsing import untrusted_json
from app.errors import Invalid
from schema.heartbeat_texts import LOGGED, PUSHED, STARTED
from schema.status import Status

MESSAGE_LIMIT = 250  # characters that are kept with the heartbeat
BODY_LIMIT_BYTES = 10_000  # of a body that are kept
DEFAULT_MESSAGES = {"", "OK"}  # what clients send when they have nothing to say: not kept
INFORMATIONAL_SIGNALS = {"start": STARTED, "log": LOGGED}  # signals that say nothing about how it went
BAD_STATUS = "must be up or down"
BAD_SIGNAL = "must be start, fail, log or an exit code such as 0"
_EXIT_CODE = re.compile(r"-?[0-9]{1,10}")  # Windows has them from -2147483648 to 4294967295
_MILLISECONDS = re.compile(r"[0-9]{1,7}(\.[0-9]*)?")
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PushReport(Struct, frozen=True):
    """One report.

    code     PUSHED for how it went, STARTED or LOGGED for what leaves the state alone
    took_ms  as the job measured it; 0: measured here when the run's start is known
    run_id   empty: the job names no runs
    body     its first bytes, some more than are kept
    ignored  parameters that were left out, since they can't be what they say
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
    """The report; `signal` is the last part of its path, `statuses` every `status` of its query.

    raises  Invalid for a state that is not clear: a word nobody knows, or two that contradict each other
    """
    words = {word.strip().lower() for word in statuses}
    if words - {"up", "down"} or len(words) > 1:
        raise Invalid.for_field("status", BAD_STATUS)
    code, status, default = _from_signal(signal.lower()) if signal else _from_status(words)
    agreed = {"up"} if status is Status.UP else {"down"}
    if code == PUSHED and not words <= agreed:
        raise Invalid.for_field("status", "contradicts the path, which says the opposite: leave it out")
    if code == PUSHED and (said := _status_in_body(body)) and said not in agreed:
        raise Invalid.for_field(
            "status", f"is {said!r} in the body, which is only kept: put it into the address, as ?status={said}"
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


def _from_status(words: set[str]) -> tuple[int, Status, str]:
    if words == {"down"}:
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
    """The state that a JSON object in the body names; empty for none, and for every other body: those are logs."""
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
