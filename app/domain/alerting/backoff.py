"""How long to wait before a delivery is retried, and when to give up. Pure: the jitter is an argument."""

BASE_DELAY_S = 2.0
MAX_DELAY_S = 600.0  # a channel that was away for hours is retried six times an hour
LATE_AFTER_S = 300.0  # a message that is sent later than this after its event says so
MAX_RETRY_AFTER_S = 6 * 3_600.0  # a server may delay us, but not silence us


def retry_delay_s(attempts: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds until the next attempt.

    attempts       so far, >= 1
    retry_after_s  what the provider requested; used when it is longer than our own backoff
    jitter         in [0, 1): spreads attempts that failed together over the upper half of the delay
    """
    backoff_s = min(MAX_DELAY_S, BASE_DELAY_S * 2.0 ** min(attempts - 1, 20)) * (0.5 + jitter / 2)
    return max(backoff_s, min(retry_after_s or 0.0, MAX_RETRY_AFTER_S))


def is_exhausted(age_s: float, give_up_after_s: float, *, permanent: bool) -> bool:
    """Whether to stop retrying: the provider rejected the message for good, or it is too old."""
    return permanent or age_s > give_up_after_s


def lateness_s(event_ms: int, now_ms: int) -> float | None:
    """How long after its event a message is sent; None when that is soon enough."""
    late_s = (now_ms - event_ms) / 1000
    return late_s if late_s > LATE_AFTER_S else None
