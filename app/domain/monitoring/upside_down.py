"""Monitors that are up while their check fails: inverted statuses, and messages that say so. Pure."""

from app.domain.parsing.plain_text import truncate
from schema.heartbeat_texts import INFORMATIONAL, heartbeat_text
from schema.status import Status

MAX_MESSAGE_CHARS = 500  # as of any heartbeat's message
PASSING = frozenset({Status.UP, Status.DEGRADED})
FAILING = frozenset({Status.DOWN, Status.PENDING})
INVERTED = {Status.UP: Status.DOWN, Status.DEGRADED: Status.DOWN, Status.DOWN: Status.UP}


def heartbeat_message(status: Status, result: Status, message: str, code: int) -> str:
    """A heartbeat's message: its own, or that of its code; with an explanation where it says the opposite.

    status    of the heartbeat
    result    of the probe; only for an upside-down monitor does one pass and the other fail
    """
    text = message or heartbeat_text(code)
    if code in INFORMATIONAL:  # they fit any status
        return text
    if result in PASSING and status in FAILING:
        return _with_meaning("answered, and should not", text)
    if result is Status.DOWN and status is Status.UP:
        return _with_meaning("failed, as it should", text)
    return text


def _with_meaning(meaning: str, text: str) -> str:
    return truncate(f"{meaning}: {text}", MAX_MESSAGE_CHARS) if text else meaning
