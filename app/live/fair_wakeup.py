"""Wakes many readers a few at a time: a request to the same process waits for a few sends, not for a thousand."""

import asyncio
from collections import deque
from collections.abc import Iterable

from app.live.subscriber import LiveSubscriber

BATCH_SIZE = 50  # sends of about 45 us: two milliseconds


class FairWakeup:
    """The readers that have something to send, in order."""

    def __init__(self) -> None:
        self._waiting: deque[LiveSubscriber] = deque()

    def wake(self, subscribers: Iterable[LiveSubscriber]) -> None:
        """Wake these, after those that wait already."""
        is_idle = not self._waiting
        self._waiting.extend(subscribers)
        if is_idle and self._waiting:
            self._wake_batch()

    def _wake_batch(self) -> None:
        """Wake the next few; the rest in the loop's next round, which serves sockets in between."""
        for _ in range(min(BATCH_SIZE, len(self._waiting))):
            self._waiting.popleft().wake()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._wake_batch)
