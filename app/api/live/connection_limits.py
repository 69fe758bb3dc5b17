"""Limits the WebSockets per address and per user: each uses memory for as long as its peer keeps it open."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from app.errors import TooMany
from app.security.limits.rejections import REJECTED
from app.settings import Settings
from schema.users import Principal

MAX_UNAUTHENTICATED = 40  # sockets of this process that have not sent their first message
UNAUTHENTICATED_PER_ADDRESS = 5  # signing in takes a moment; sockets with a credential in the handshake are not counted
RETRY_AFTER_S = 5


class TooManyConnections(TooMany):
    """The limit of open sockets is reached."""


CountKey = tuple[str, Hashable]


class ConnectionLimits:
    """Counts the sockets of this process by address and by user."""

    def __init__(self, settings: Settings) -> None:
        self._per_address, self._per_user = settings.live_sockets_per_address, settings.live_sockets_per_user
        self._count: Counter[CountKey] = Counter()

    @contextmanager
    def count_address(self, address: str) -> Iterator[None]:
        """Count a socket of this address, signed in or not. Raises TooManyConnections."""
        with self._count_one(("address", address), self._per_address, "per address"):
            yield

    @contextmanager
    def count_unauthenticated(self, address: str) -> Iterator[None]:
        """Count a socket that has not signed in yet. Raises TooManyConnections."""
        with (
            self._count_one(
                ("unauthenticated at", address), UNAUTHENTICATED_PER_ADDRESS, "per address that are not signed in"
            ),
            self._count_one(("unauthenticated", ""), MAX_UNAUTHENTICATED, "that are not signed in"),
        ):
            yield

    @contextmanager
    def count_user(self, principal: Principal) -> Iterator[None]:
        """Count a socket of this user, by any credential. Raises TooManyConnections."""
        with self._count_one(("user", principal.user_id or principal.username), self._per_user, "per user"):
            yield

    @contextmanager
    def _count_one(self, key: CountKey, limit: int, owner: str) -> Iterator[None]:
        if self._count[key] >= limit:
            REJECTED.labels("sockets").inc()
            raise TooManyConnections(
                f"The limit of {limit} WebSockets {owner} is reached. Close one first.", retry_after_s=RETRY_AFTER_S
            )
        self._count[key] += 1
        try:
            yield
        finally:
            self._count[key] -= 1
            if not self._count[key]:
                del self._count[key]
