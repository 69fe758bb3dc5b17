"""How many WebSockets one address and one person may hold: each costs memory for as long as its peer likes."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from app.errors import TooMany
from app.security.limits.rejections import REFUSED
from app.settings import Settings
from schema.users import Principal

STRANGERS = 40  # sockets of this process that wait for their first message
STRANGERS_PER_ADDRESS = 5  # signing in takes a moment; who has a credential at the handshake is no stranger
AGAIN_S = 5


class Crowded(TooMany):
    """There are as many sockets as there may be."""


Place = tuple[str, Hashable]


class Crowd:
    """The sockets of this process, counted by where they come from and whose they are."""

    def __init__(self, settings: Settings) -> None:
        self._per_address, self._per_user = settings.live_sockets_per_address, settings.live_sockets_per_user
        self._count: Counter[Place] = Counter()

    @contextmanager
    def from_address(self, address: str) -> Iterator[None]:
        """One more from there, signed in or not. Raises Crowded."""
        with self._one(("address", address), self._per_address, "this address"):
            yield

    @contextmanager
    def stranger(self, address: str) -> Iterator[None]:
        """One more that has yet to say who it is. Raises Crowded."""
        with (
            self._one(("stranger", address), STRANGERS_PER_ADDRESS, "this address, not signed in,"),
            self._one(("strangers", ""), STRANGERS, "clients that are not signed in"),
        ):
            yield

    @contextmanager
    def of(self, principal: Principal) -> Iterator[None]:
        """One more of somebody, by whatever credential. Raises Crowded."""
        with self._one(("user", principal.user_id or principal.username), self._per_user, "this user"):
            yield

    @contextmanager
    def _one(self, place: Place, most: int, whose: str) -> Iterator[None]:
        if self._count[place] >= most:
            REFUSED.labels("sockets").inc()
            raise Crowded(f"There are {most} WebSockets of {whose} already.", retry_after_s=AGAIN_S)
        self._count[place] += 1
        try:
            yield
        finally:
            self._count[place] -= 1
            if not self._count[place]:
                del self._count[place]
