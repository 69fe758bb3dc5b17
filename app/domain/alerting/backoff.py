"""How long to wait before a delivery is tried again, and when to give up. Pure: the dice are an argument."""

BASE_DELAY_S = 2.0
MAX_DELAY_S = 600.0  # a channel that was away for hours is tried six times an hour
LATE_AFTER_S = 300.0  # a message that goes out later after its event says so
MAX_RETRY_AFTER_S = 6 * 3_600.0  # a server may ask for patience, not for silence


def retry_delay_s(attempts: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds until the next try.

    attempts       tries so far, >= 1
    retry_after_s  what the other side asked for; it wins over our own curve when it is longer
    dice           in [0, 1): spreads tries that failed together over the upper half of the wait
    """
    own = min(MAX_DELAY_S, BASE_DELAY_S * 2.0 ** min(attempts - 1, 20)) * (0.5 + jitter / 2)
    asked = min(retry_after_s or 0.0, MAX_RETRY_AFTER_S)
    return max(own, asked)


def is_exhausted(age_s: float, give_up_after_s: float, *, permanent: bool) -> bool:
    """Whether to stop trying: the other side refused for good, or it took too long."""
    return permanent or age_s > give_up_after_s


def lateness_s(event_ms: int, now_ms: int) -> float | None:
    """How long after its event a message goes out, when that is worth a word."""
    late_s = (now_ms - event_ms) / 1000
    return late_s if late_s > LATE_AFTER_S else None


def exhausted_reason(give_up_after_s: float, reason: str) -> str:
    """Why a delivery that never worked is dead."""
    return f"gave up after {give_up_after_s / 3_600:g} h{f': {reason}' if reason else ''}"
