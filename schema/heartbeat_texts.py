"""The usual messages of heartbeats as small numbers: a heartbeat that says "200 OK" stores two bytes, not text."""

from http import HTTPStatus

CONNECTED, ANSWERED, RESOLVED, PUSHED, NOT_CHECKED, NO_ANSWER, REPORTED, MISSED = 1, 2, 3, 4, 5, 6, 7, 8
STARTED, LOGGED = 20, 21
INFORMATIONAL = frozenset({STARTED, LOGGED})  # heartbeats that say nothing about how it went
SYNTHETIC = frozenset({NOT_CHECKED, MISSED})  # nobody looked: heartbeats that stand for a result that there is none of
PROBE_CODES = frozenset(
    {0, CONNECTED, ANSWERED, RESOLVED, NO_ANSWER, REPORTED}
)  # what a probe may say, beside statuses
MIN_STATUS_CODE = 100  # from here on a code is a status of the target's protocol

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
    """The words for a code; an HTTP status without a known phrase reads as its number."""
    return _TEXTS.get(code, str(code))
