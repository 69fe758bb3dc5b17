"""Wakes many readers a few at a time: a request to the same process waits for a few sends, not for a thousand."""

import asyncio
from collections import deque
from collections.abc import Iterable

from app.live.subscriber import Reader

AT_ONCE = 50  # sends of about 45 us: two milliseconds


class Waker:
    """The readers that have something to send, in order."""

    def __init__(self) -> None:
        self._waiting: deque[Reader] = deque()

    def wake(self, readers: Iterable[Reader]) -> None:
        """Wake these, after those that wait already."""
        is_idle = not self._waiting
        self._waiting.extend(readers)
        if is_idle and self._waiting:
            self._wake_some()

    def _wake_some(self) -> None:
        """Wake the next few; the rest in the loop's next round, which serves sockets in between."""
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._waiting.popleft().wake()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._wake_some)
