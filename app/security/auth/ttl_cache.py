"""What the store said a moment ago: believed for a second, so that a warm path does no SQL and no change waits long."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

FOR_S = 1.0  # how long what was revoked elsewhere may still be believed here
MOST = 10_000  # answers; beyond it all are forgotten, which costs one query each

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class Remembered(Generic[Key, Answer]):
    """Asks once a second, whoever wants to know; "there is none" is an answer, too."""

    def __init__(self, ask: Callable[[Key], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._known: dict[Key, tuple[float, Answer]] = {}

    async def of(self, key: Key) -> Answer:
        """The answer, at most a second old."""
        known = self._known.get(key)
        if known is not None and monotonic() - known[0] < FOR_S:
            return known[1]
        asked_at = monotonic()
        answer = await self._ask(key)
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = (asked_at, answer)
        return answer

    def forget(self) -> None:
        """Ask again about everything."""
        self._known.clear()
