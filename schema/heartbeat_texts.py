"""Codes for common heartbeat messages: a heartbeat with "200 OK" stores two bytes instead of text."""

from http import HTTPStatus

CONNECTED, ANSWERED, RESOLVED, PUSHED, NOT_CHECKED, NO_ANSWER, REPORTED, MISSED = 1, 2, 3, 4, 5, 6, 7, 8
STARTED, LOGGED = 20, 21
INFORMATIONAL = frozenset({STARTED, LOGGED})  # carry no status: a job started or wrote a log
SYNTHETIC = frozenset({NOT_CHECKED, MISSED})  # stored for slots without a result
# What a probe may report, besides protocol statuses.
PROBE_CODES = frozenset({0, CONNECTED, ANSWERED, RESOLVED, NO_ANSWER, REPORTED})
MIN_STATUS_CODE = 100  # from here on, a code is a status of the target's protocol

_TEXTS: dict[int, str] = {
    0: "",
    CONNECTED: "connected",
    ANSWERED: "answered",
    RESOLVED: "resolved",
    PUSHED: "pushed",
    NOT_CHECKED: "not checked: no worker answered in time",
    NO_ANSWER: "no answer within the timeout",
    REPORTED: "reported in time",  # the due slot of a push monitor; PUSHED is the push itself
    MISSED: "not checked: the schedule was behind",
    STARTED: "started",
    LOGGED: "logged",
}
_TEXTS |= {int(status): f"{int(status)} {status.phrase}" for status in HTTPStatus}


def heartbeat_text(code: int) -> str:
    """The message for a code; an HTTP status without a known phrase becomes its number."""
    return _TEXTS.get(code, str(code))
