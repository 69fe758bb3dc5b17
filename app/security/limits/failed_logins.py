"""Failed logins on their way to the audit log: counted here, stored together by `app.store.audit.failed_logins`.

The first of a kind, from one address and for one account, is due at once, and all of its minute together when that is
over; what leaves an entry with its request anyway is due then only. So a guesser costs a few entries a minute, whatever
they send, and no request waits for one. Beyond MOST at a time they are counted without address and account.
"""

from math import inf
from time import monotonic

from msgspec import Struct

from app.domain.validation.structs import is_storable
from app.security.limits.client_ip import counted_address
from schema.login_attempts import AuthMethod, FailedLoginKey

MAX_KINDS = 60  # kinds at a time: what a minute may add to the log, whoever guesses from however many addresses
MINUTE_S = 60.0
MAX_NAME_LENGTH = 254  # characters of an account that are kept meanwhile

# ways that are tried by routes which leave an entry each, or one a minute
RECORDED_BY_ROUTE = frozenset(
    set(AuthMethod) - {AuthMethod.BASIC, AuthMethod.API_KEY, AuthMethod.TOKEN, AuthMethod.COOKIE, AuthMethod.ACK_LINK}
)


class _PendingCount(Struct):
    """How often, since when, and how many of them are written down."""

    began_s: float
    n: int = 0
    written: int = 0


_counts: dict[FailedLoginKey, _PendingCount] = {}


def record_failed_login(
    method: AuthMethod, address: str, account: str = "", *, locked: bool = False, now_s: float | None = None
) -> None:
    """Count a proof that failed, or one that was not even looked at. Costs no SQL.

    account  what the client calls itself, or an id; empty for nobody known
    locked   too many had failed before
    now_s    monotonic; None for now
    """
    name = account.strip().lower()[:MAX_NAME_LENGTH] if is_storable(account) else ""
    guess = FailedLoginKey(method, counted_address(address), name, locked)
    if guess not in _counts and len(_counts) >= MAX_KINDS:
        guess = FailedLoginKey(method, "", "", locked)
    _counts.setdefault(guess, _PendingCount(monotonic() if now_s is None else now_s)).n += 1


def due_entries(now_s: float, *, is_final: bool = False) -> list[tuple[FailedLoginKey, int]]:
    """What is to be written down now, and how many there were in its minute so far.

    everything  the process ends: minutes that are not over yet, too
    """
    over_s = inf if is_final else now_s - MINUTE_S
    return [(guess, count.n) for guess, count in _counts.items() if _is_due(guess, count, over_s)]


def mark_written(written: list[tuple[FailedLoginKey, int]], now_s: float, *, is_final: bool = False) -> None:
    """Those are written down; and minutes that are over end."""
    if is_final:
        _counts.clear()
    for guess, n in written:
        if guess in _counts:
            _counts[guess].written = n
    over_s = now_s - MINUTE_S
    for guess, count in list(_counts.items()):
        if count.began_s <= over_s and not _is_due(guess, count, over_s):
            del _counts[guess]


def clear_counts() -> None:
    """Forget all that is counted; for tests."""
    _counts.clear()


def _is_due(guess: FailedLoginKey, count: _PendingCount, over_s: float) -> bool:
    is_over, is_recorded = count.began_s <= over_s, guess.method in RECORDED_BY_ROUTE and guess.address != ""
    if is_recorded and count.n == 1:
        return False
    return count.n > count.written and (is_over or (count.written == 0 and not is_recorded))
