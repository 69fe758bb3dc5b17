"""A channel's place in a worker: the deliveries that wait for it, those that are claimed, and how many it may claim."""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from time import monotonic

from app.domain.alerting.circuit_breaker import FAILURE_THRESHOLD
from app.store.alerting.delivery_claims import DeliveryClaim

MAX_PARALLEL_SENDS = 50  # to one channel
MAX_CLAIMS = 1_000  # of one channel: one that answers at once has so many claimed, which saves transactions
CLAIM_AHEAD_S = 1.0  # as many are claimed as are sent within this time
MAX_CLAIM_AGE_S = 20.0  # when sending must have begun: a send takes 20 s at most, and a lease lasts 45


class ChannelLane:
    """The deliveries of one channel.

    Those that wait for others to be sent are given back when the channel fails, or becomes slow.
    """

    def __init__(self) -> None:
        self.pending: dict[str, None] = {}  # delivery ids, in order
        self._claimed: deque[DeliveryClaim] = deque()
        self._sending = 0
        self._send_s = CLAIM_AHEAD_S  # of recent messages that were accepted, on average
        self._failures, self._claimed_at = 0, 0.0
        self._stopped = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is sent."""
        return not (self.pending or self._claimed or self._sending)

    def take_pending(self, limit: int) -> list[str]:
        """Remove the oldest waiting ids, as many as may be claimed now, at most `limit`."""
        in_time = int(MAX_PARALLEL_SENDS * CLAIM_AHEAD_S / self._send_s)
        free = min(MAX_CLAIMS, max(MAX_PARALLEL_SENDS, in_time)) - len(self._claimed) - self._sending
        ids = list(islice(self.pending, max(0, min(free, limit))))
        for id_ in ids:
            del self.pending[id_]
        return ids

    def add_claims(self, claims: Iterable[DeliveryClaim]) -> None:
        """Queue claims for sending."""
        self._claimed += claims
        self._claimed_at, self._failures = monotonic(), 0

    def next_claim(self) -> DeliveryClaim | None:
        """The next claim to send now; None when there is none, or as many are being sent as may be at once."""
        if not self._claimed or self._sending >= MAX_PARALLEL_SENDS or self._is_stuck():
            return None
        self._sending += 1
        return self._claimed.popleft()

    def note_sent(self, took_s: float, *, accepted: bool) -> None:
        """Note that a send has ended."""
        self._sending -= 1
        self._failures = 0 if accepted else self._failures + 1
        if accepted:
            self._send_s = 0.9 * self._send_s + 0.1 * max(took_s, 0.001)

    def stop(self) -> None:
        """Forget what waits, and send nothing more."""
        self.pending.clear()
        self._stopped = True

    def take_unsendable(self) -> list[DeliveryClaim]:
        """Remove claims that are not sent any more: the channel fails, or their leases would end meanwhile."""
        if not self._claimed or not self._is_stuck():
            return []
        unsent, self._send_s = list(self._claimed), CLAIM_AHEAD_S
        self._claimed.clear()
        return unsent

    def _is_stuck(self) -> bool:
        is_late = monotonic() - self._claimed_at > MAX_CLAIM_AGE_S
        return self._stopped or is_late or self._failures >= FAILURE_THRESHOLD
