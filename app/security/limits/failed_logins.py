"""Failed logins on their way to the audit log: counted here, stored together by `app.store.audit.failed_logins`.

The first of a kind, from one address and for one account, is due at once, and all of its minute together when that is
over; what leaves an entry with its request anyway is due then only. So a guesser costs a few entries a minute, whatever
they send, and no request waits for one. Beyond MOST at a time they are counted without address and account.
"""

from math import inf
from time import monotonic

from msgspec import Struct

from app.domain.validation.structs import is_storable
from app.security.limits.client_ip import place_of
from schema.login_attempts import Guess, Way

MOST = 60  # kinds at a time: what a minute may add to the log, whoever guesses from however many addresses
MINUTE_S = 60.0
NAME_MOST = 254  # characters of an account that are kept meanwhile

# ways that are tried by routes which leave an entry each, or one a minute
RECORDED = frozenset(set(Way) - {Way.BASIC, Way.API_KEY, Way.TOKEN, Way.COOKIE, Way.ACK_LINK})


class _Count(Struct):
    """How often, since when, and how many of them are written down."""

    began_s: float
    n: int = 0
    shown: int = 0


_counts: dict[Guess, _Count] = {}


def note(way: Way, address: str, account: str = "", *, locked: bool = False, now_s: float | None = None) -> None:
    """Count a proof that failed, or one that was not even looked at. Costs no SQL.

    account  what the client calls itself, or an id; empty for nobody known
    locked   too many had failed before
    now_s    monotonic; None for now
    """
    name = account.strip().lower()[:NAME_MOST] if is_storable(account) else ""
    guess = Guess(way, place_of(address), name, locked)
    if guess not in _counts and len(_counts) >= MOST:
        guess = Guess(way, "", "", locked)
    _counts.setdefault(guess, _Count(monotonic() if now_s is None else now_s)).n += 1


def due(now_s: float, *, everything: bool = False) -> list[tuple[Guess, int]]:
    """What is to be written down now, and how many there were in its minute so far.

    everything  the process ends: minutes that are not over yet, too
    """
    over_s = inf if everything else now_s - MINUTE_S
    return [(guess, count.n) for guess, count in _counts.items() if _is_due(guess, count, over_s)]


def settle(written: list[tuple[Guess, int]], now_s: float, *, everything: bool = False) -> None:
    """Those are written down; and minutes that are over end."""
    if everything:
        _counts.clear()
    for guess, n in written:
        if guess in _counts:
            _counts[guess].shown = n
    over_s = now_s - MINUTE_S
    for guess, count in list(_counts.items()):
        if count.began_s <= over_s and not _is_due(guess, count, over_s):
            del _counts[guess]


def forget() -> None:
    """Forget all that is counted; for tests."""
    _counts.clear()


def _is_due(guess: Guess, count: _Count, over_s: float) -> bool:
    is_over, is_recorded = count.began_s <= over_s, guess.way in RECORDED and guess.address != ""
    if is_recorded and count.n == 1:
        return False
    return count.n > count.shown and (is_over or (count.shown == 0 and not is_recorded))
