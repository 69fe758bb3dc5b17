"""How many WebSockets one address and one person may hold: each costs memory for as long as its peer likes."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from app.errors import TooMany
from app.security.limits.rejections import REJECTED
from app.settings import Settings
from schema.users import Principal

MAX_UNAUTHENTICATED = 40  # sockets of this process that wait for their first message
UNAUTHENTICATED_PER_ADDRESS = 5  # signing in takes a moment; who has a credential at the handshake is no stranger
RETRY_AFTER_S = 5


class TooManyConnections(TooMany):
    """There are as many sockets as there may be."""


CountKey = tuple[str, Hashable]


class ConnectionLimits:
    """The sockets of this process, counted by where they come from and whose they are."""

    def __init__(self, settings: Settings) -> None:
        self._per_address, self._per_user = settings.live_sockets_per_address, settings.live_sockets_per_user
        self._count: Counter[CountKey] = Counter()

    @contextmanager
    def count_address(self, address: str) -> Iterator[None]:
        """One more from there, signed in or not. Raises Crowded."""
        with self._count_one(("address", address), self._per_address, "this address"):
            yield

    @contextmanager
    def count_unauthenticated(self, address: str) -> Iterator[None]:
        """One more that has yet to say who it is. Raises Crowded."""
        with (
            self._count_one(("stranger", address), UNAUTHENTICATED_PER_ADDRESS, "this address, not signed in,"),
            self._count_one(("strangers", ""), MAX_UNAUTHENTICATED, "clients that are not signed in"),
        ):
            yield

    @contextmanager
    def count_user(self, principal: Principal) -> Iterator[None]:
        """One more of somebody, by whatever credential. Raises Crowded."""
        with self._count_one(("user", principal.user_id or principal.username), self._per_user, "this user"):
            yield

    @contextmanager
    def _count_one(self, place: CountKey, most: int, whose: str) -> Iterator[None]:
        if self._count[place] >= most:
            REJECTED.labels("sockets").inc()
            raise TooManyConnections(f"There are {most} WebSockets of {whose} already.", retry_after_s=RETRY_AFTER_S)
        self._count[place] += 1
        try:
            yield
        finally:
            self._count[place] -= 1
            if not self._count[place]:
                del self._count[place]
