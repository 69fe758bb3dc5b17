"""Counts failed logins for the audit log; `app.store.audit.failed_logins` stores them in batches.

A kind is a method, an address and an account. The first failure of a kind is due at once, and the total of its minute
when that minute ends. Failures for which the route writes an audit entry of its own are due at the end only. An
attacker thus adds a few entries a minute at most, and no request waits for one. Beyond MAX_KINDS kinds at a time,
failures are counted without address and account.
"""

from math import inf
from time import monotonic

from msgspec import Struct

from app.domain.validation.structs import is_storable
from app.security.limits.proxy_headers import counted_address
from schema.login_attempts import AuthMethod, FailedLoginKey

MAX_KINDS = 60  # bounds what a minute may add to the log, from any number of addresses
MINUTE_S = 60.0
MAX_NAME_LENGTH = 254  # characters kept of an account

# methods whose routes write an audit entry per request, or one a minute
RECORDED_BY_ROUTE = frozenset(
    set(AuthMethod) - {AuthMethod.BASIC, AuthMethod.API_KEY, AuthMethod.TOKEN, AuthMethod.COOKIE, AuthMethod.ACK_LINK}
)


class _PendingCount(Struct):
    """The failures of one kind since `began_s` (monotonic), and how many of them are written."""

    began_s: float
    n: int = 0
    written: int = 0


_counts: dict[FailedLoginKey, _PendingCount] = {}


def record_failed_login(
    method: AuthMethod, address: str, account: str = "", *, locked: bool = False, now_s: float | None = None
) -> None:
    """Count a failed login, or one refused by a lock-out. Needs no SQL.

    account  the login as it was typed, or an id; empty if unknown
    locked   the attempt was refused because of earlier failures
    now_s    monotonic; None for now
    """
    name = account.strip().lower()[:MAX_NAME_LENGTH] if is_storable(account) else ""
    key = FailedLoginKey(method, counted_address(address), name, locked)
    if key not in _counts and len(_counts) >= MAX_KINDS:
        key = FailedLoginKey(method, "", "", locked)
    _counts.setdefault(key, _PendingCount(monotonic() if now_s is None else now_s)).n += 1


def due_entries(now_s: float, *, is_final: bool = False) -> list[tuple[FailedLoginKey, int]]:
    """The kinds to write now, each with its count in the current minute.

    is_final    the process ends: include minutes that are not over yet
    """
    over_s = inf if is_final else now_s - MINUTE_S
    return [(key, count.n) for key, count in _counts.items() if _is_due(key, count, over_s)]


def mark_written(written: list[tuple[FailedLoginKey, int]], now_s: float, *, is_final: bool = False) -> None:
    """Mark these counts as written, and drop finished minutes."""
    if is_final:
        _counts.clear()
    for key, n in written:
        if key in _counts:
            _counts[key].written = n
    over_s = now_s - MINUTE_S
    for key, count in list(_counts.items()):
        if count.began_s <= over_s and not _is_due(key, count, over_s):
            del _counts[key]


def clear_counts() -> None:
    """Drop all counts; for tests."""
    _counts.clear()


def _is_due(key: FailedLoginKey, count: _PendingCount, over_s: float) -> bool:
    is_over = count.began_s <= over_s
    is_recorded = key.method in RECORDED_BY_ROUTE and key.address != ""
    if is_recorded and count.n == 1:
        return False
    return count.n > count.written and (is_over or (count.written == 0 and not is_recorded))
