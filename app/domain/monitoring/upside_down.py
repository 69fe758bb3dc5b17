"""What a check's words mean when a passing check is a failure: the answer that should not be there. Pure."""

from app.domain.parsing.plain_text import truncate
from schema.heartbeat_texts import INFORMATIONAL, heartbeat_text
from schema.status import Status

MAX_MESSAGE_CHARS = 500  # characters, as of any heartbeat's message
PASSING = frozenset({Status.UP, Status.DEGRADED})
FAILING = frozenset({Status.DOWN, Status.PENDING})
INVERTED = {Status.UP: Status.DOWN, Status.DEGRADED: Status.DOWN, Status.DOWN: Status.UP}


def heartbeat_message(status: Status, seen: Status, message: str, code: int) -> str:
    """A heartbeat's message: its words, or those of its code; with what they mean where they say the opposite.

    status    of the heartbeat
    seen      by the probe; only a monitor that is upside down has passed and fails, or has failed and is up
    """
    words = message or heartbeat_text(code)
    if code in INFORMATIONAL:  # they repeat the status, whatever it is
        return words
    if seen in PASSING and status in FAILING:
        return _with_meaning("answered, and should not", words)
    if seen is Status.DOWN and status is Status.UP:
        return _with_meaning("failed, as it should", words)
    return words


def _with_meaning(meaning: str, words: str) -> str:
    return truncate(f"{meaning}: {words}", MAX_MESSAGE_CHARS) if words else meaning
