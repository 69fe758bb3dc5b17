"""Guessing made slow: how often a password, a code, a key or a link may be wrong before the next try has to wait.

Three limits, each over BRUTEFORCE_WINDOW; who is over one of them waits for BRUTEFORCE_LOCKOUT:

an account from an address      BRUTEFORCE_MAX_ATTEMPTS
an account from anywhere        `wide` times as many; not for addresses it proved itself from within 90 days
an address with any account     WIDE times as many; not for accounts that proved themselves from it

So nobody is locked out for good by somebody else: an owner's usual address is bound by its own mistakes only, and
tries that are refused count for nothing. Words and times are the same whether there is such an account.
The counts are rows of the database (`app.store.identity.login_failures`): right without Redis, and on every node alike.

A caller asks three things, around its proof:

    await attempts.refuse_if_locked(Proof.PASSWORD, address, login)
    if not await passwords.matches(...):
        await attempts.failed(Proof.PASSWORD, address, login)
        raise Unauthorized(WRONG)
    await attempts.succeeded(Proof.PASSWORD, address, login)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from time import time
from typing import Protocol

from msgspec import Struct

from app.errors import TooMany
from app.security.limits import failed_logins
from app.security.limits.client_ip import counted_address
from app.security.limits.rejections import REJECTED
from app.security.secrets import sealing
from app.settings import Settings
from schema.login_attempts import AuthMethod, CredentialKind, FailureCount, FailureHistory, LoginAttempt

REFRESH_MS = 86_400_000  # how fresh the memory of a familiar address is kept: at most a write a day
WIDE_FACTOR = 5  # people behind one address, and typing errors of one person on many devices
TOO_MANY_ATTEMPTS = "There were too many failed attempts: wait before the next one."


class FailureStore(Protocol):
    """Where failures are kept: `app.store.identity.login_failures`, since this room lies below the store."""

    async def count_failures(self, attempt: LoginAttempt, window_ms: int, until_ms: int) -> FailureHistory: ...  # noqa: D102  # said there
    async def add_failure(self, attempt: LoginAttempt, now_ms: int, until_ms: int) -> None: ...  # noqa: D102  # said there
    async def clear_failures(self, attempt: LoginAttempt) -> None: ...  # noqa: D102  # said there
    async def remember_address(self, attempt: LoginAttempt, now_ms: int) -> None: ...  # noqa: D102  # said there


class LockoutRule(Struct, frozen=True):
    """How one kind of proof is guarded.

    wide    times the limit that an account may fail from all addresses together
    slow    times the window and the lock-out
    """

    account_factor: int = WIDE_FACTOR
    time_factor: int = 1


# Six digits are guessed sooner than a password, and who gets as far as a code knows the password: nobody else is
# locked out by being stricter. 20 in 15 minutes find a code with three valid ones at a time in some 170 days.
LOCKOUT_RULES = {CredentialKind.CODE: LockoutRule(account_factor=1, time_factor=15)}


# what a proof usually came by
DEFAULT_METHODS = {
    CredentialKind.PASSWORD: AuthMethod.LOGIN,
    CredentialKind.CODE: AuthMethod.CODE,
    CredentialKind.KEY: AuthMethod.API_KEY,
    CredentialKind.LINK: AuthMethod.INVITATION,
}


class LockoutLimits(Struct, frozen=True):
    """BRUTEFORCE_*, with times in milliseconds."""

    attempts: int
    window_ms: int
    lockout_ms: int


class LockedOut(TooMany):
    """Too many guesses; nobody says whose."""


_limits = LockoutLimits(20, 60_000, 60_000)
_failure_store: FailureStore | None = None


def prepare(settings: Settings, failure_store: FailureStore) -> None:
    """Take the limits and the place where failures are kept; before anything else here."""
    global _limits, _failure_store  # noqa: PLW0603  # one set per process, as with the keys of `sealing`
    _limits = LockoutLimits(
        settings.bruteforce_max_attempts,
        settings.bruteforce_window_s * 1_000,
        settings.bruteforce_lockout_s * 1_000,
    )
    _failure_store = failure_store


async def refuse_if_locked(
    kind: CredentialKind, address: str, account: str = "", *, method: AuthMethod | None = None
) -> None:
    """Let a proof be tried, or raise LockedOut. One read, before anything dear is done.

    proof       what kind of proof it is; kinds don't count against each other
    address     the client's, by `addresses.address_of`
    account     what the client calls itself, as it was typed; or an id, where it is known already; empty for
                credentials that name nobody, such as API keys: then the address alone counts
    way         by what it came, where the proof alone does not say
    """
    attempt = attempt_of(kind, address, account)
    tally = await _failure_history(attempt)
    with _recording_lockout(method or DEFAULT_METHODS[kind], address, account):
        _refuse_over_limit(attempt, tally, limit=_limits.attempts)


async def record_failure(
    kind: CredentialKind, address: str, account: str = "", *, method: AuthMethod | None = None
) -> None:
    """Count a proof that was wrong, and have it recorded; the caller then says so.

    raises  LockedOut instead, when others failed meanwhile: of any number at once no more are answered than allowed
    """
    attempt = attempt_of(kind, address, account)
    failed_logins.record_failed_login(method or DEFAULT_METHODS[kind], address, account)
    now_ms, rule = _now_ms(), LOCKOUT_RULES.get(kind, LockoutRule())
    until_ms = now_ms + (_limits.window_ms + _limits.lockout_ms) * rule.time_factor
    await _prepared_store().add_failure(attempt, now_ms, until_ms)
    tally = await _failure_history(attempt)
    with _recording_lockout(method or DEFAULT_METHODS[kind], address, account):
        _refuse_over_limit(attempt, tally, limit=_limits.attempts + 1)


async def record_success(kind: CredentialKind, address: str, account: str) -> None:
    """Take a proof that was right: its failures are forgiven, and the address is familiar from now on.

    Writes only when there is something new to write. Not for credentials that name nobody.
    raises  LockedOut, when others failed meanwhile: of guesses that came at once, the right one is not told apart
    """
    attempt = attempt_of(kind, address, account)
    tally = await _failure_history(attempt)
    _refuse_over_limit(attempt, tally, limit=_limits.attempts)
    if tally.pair.count:
        await _prepared_store().clear_failures(attempt)
    if _now_ms() - tally.last_success_ms > REFRESH_MS:
        await _prepared_store().remember_address(attempt, _now_ms())


@contextmanager
def _recording_lockout(method: AuthMethod, address: str, account: str) -> Iterator[None]:
    """Have it recorded that somebody is locked out."""
    try:
        yield
    except LockedOut:
        failed_logins.record_failed_login(method, address, account, locked=True)
        raise


def attempt_of(kind: CredentialKind, address: str, account: str) -> LoginAttempt:
    """What is counted: the account as a fingerprint, the address without the part that its owner may choose."""
    name = account.strip().lower().encode()
    who = blake2b(name, key=sealing.derive_key("attempts"), digest_size=16).hexdigest() if name else ""
    return LoginAttempt(kind, who, counted_address(address))


async def _failure_history(attempt: LoginAttempt) -> FailureHistory:
    slow = LOCKOUT_RULES.get(attempt.credential_kind, LockoutRule()).time_factor
    return await _prepared_store().count_failures(attempt, _limits.window_ms * slow, _now_ms() + _limits.lockout_ms)


def _refuse_over_limit(attempt: LoginAttempt, history: FailureHistory, *, limit: int) -> None:
    """Raise LockedOut when a limit is reached; `at` is that of the pair, and one above it for who was counted."""
    lockout_ms = _limits.lockout_ms * LOCKOUT_RULES.get(attempt.credential_kind, LockoutRule()).time_factor
    own = limit - _limits.attempts
    ends = [
        one.newest_ms + lockout_ms
        for one, times in _binding_failures(attempt, history)
        if one.count >= _limits.attempts * times + own
    ]
    left_ms = max(ends, default=0) - _now_ms()
    if left_ms > 0:
        REJECTED.labels("locked").inc()
        raise LockedOut(TOO_MANY_ATTEMPTS, retry_after_s=-(-left_ms // 1_000))


def _binding_failures(attempt: LoginAttempt, history: FailureHistory) -> Iterator[tuple[FailureCount, int]]:
    """Which failures bind this attempt, and how many times the limit each may have."""
    if attempt.account:
        yield history.pair, 1
    if attempt.account and not history.last_success_ms:
        yield history.account, LOCKOUT_RULES.get(attempt.credential_kind, LockoutRule()).account_factor
    if not history.last_success_ms:
        yield history.address, WIDE_FACTOR


def _prepared_store() -> FailureStore:
    if _failure_store is None:
        raise RuntimeError("attempts.prepare(settings, ledger) was not called")
    return _failure_store


def _now_ms() -> int:
    return int(time() * 1_000)
