"""Brute-force protection: limits how often a password, a code, a key or a link may be wrong.

There are three limits, each over BRUTEFORCE_WINDOW. A caller over one of them is locked out for BRUTEFORCE_LOCKOUT:

an account from an address      BRUTEFORCE_MAX_ATTEMPTS
an account from anywhere        `account_factor` times as many; not for addresses it signed in from within 90 days
an address with any account     WIDE_FACTOR times as many; not for accounts that signed in from it

An attacker can't lock a user out permanently: a known address is limited by its own failures only, and refused attempts
are not counted. Messages and times are the same whether the account exists or not.
The counts are rows of the database (`app.store.identity.login_failures`), so they hold without Redis and on all nodes.

A caller wraps its verification in three calls:

    await brute_force.refuse_if_locked(CredentialKind.PASSWORD, address, login)
    if not await passwords.matches(...):
        await brute_force.record_failure(CredentialKind.PASSWORD, address, login)
        raise Unauthorized(WRONG_CREDENTIALS)
    await brute_force.record_success(CredentialKind.PASSWORD, address, login)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Protocol

from msgspec import Struct

from app import clock
from app.errors import TooMany
from app.security.limits import failed_logins
from app.security.limits.client_ip import counted_address
from app.security.limits.rejections import REJECTED
from app.security.secrets import sealing
from app.settings import Settings
from schema.login_attempts import AuthMethod, CredentialKind, FailureCount, FailureHistory, LoginAttempt

REFRESH_MS = 86_400_000  # a known address is refreshed at most once a day
WIDE_FACTOR = 5  # allows for people behind one address, and one person's typing errors on many devices
TOO_MANY_ATTEMPTS = "There were too many failed attempts. Wait before the next one."


class FailureStore(Protocol):
    """Stores failures: `app.store.identity.login_failures`, injected because `security` may not import the store."""

    async def count_failures(self, attempt: LoginAttempt, window_ms: int, until_ms: int) -> FailureHistory: ...  # noqa: D102  # documented there
    async def add_failure(self, attempt: LoginAttempt, now_ms: int, until_ms: int) -> None: ...  # noqa: D102  # documented there
    async def clear_failures(self, attempt: LoginAttempt) -> None: ...  # noqa: D102  # documented there
    async def remember_address(self, attempt: LoginAttempt, now_ms: int) -> None: ...  # noqa: D102  # documented there


class LockoutRule(Struct, frozen=True):
    """How one kind of credential is limited.

    account_factor    multiplies the limit for an account from all addresses together
    time_factor       multiplies the window and the lock-out
    """

    account_factor: int = WIDE_FACTOR
    time_factor: int = 1


# Six digits are guessed sooner than a password. Only a caller who knows the password gets to the code, so a stricter
# limit locks out nobody else. With three codes valid at a time, 20 attempts in 15 minutes hit one in about 170 days.
LOCKOUT_RULES = {CredentialKind.CODE: LockoutRule(account_factor=1, time_factor=15)}

# how each kind of credential is usually presented
DEFAULT_METHODS = {
    CredentialKind.PASSWORD: AuthMethod.LOGIN,
    CredentialKind.CODE: AuthMethod.CODE,
    CredentialKind.KEY: AuthMethod.API_KEY,
    CredentialKind.LINK: AuthMethod.INVITATION,
}


class LockoutLimits(Struct, frozen=True):
    """The BRUTEFORCE_* settings, with times in milliseconds."""

    attempts: int
    window_ms: int
    lockout_ms: int


class LockedOut(TooMany):
    """Too many failed attempts; the message does not say whose."""


_limits = LockoutLimits(20, 60_000, 60_000)
_failure_store: FailureStore | None = None


def prepare(settings: Settings, failure_store: FailureStore) -> None:
    """Set the limits and the failure store. Call this before anything else here."""
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
    """Raise LockedOut if this attempt is over a limit. One query, before anything expensive.

    kind        kinds of credentials are counted separately
    address     the client's, from `client_ip.address_of`
    account     the login as it was typed, or an id if the account is known; empty for credentials that name no account,
                such as API keys: then only the address is limited
    method      how the credential was presented; default: by its kind
    """
    attempt = attempt_of(kind, address, account)
    history = await _failure_history(attempt)
    with _recording_lockout(method or DEFAULT_METHODS[kind], address, account):
        _refuse_over_limit(attempt, history, limit=_limits.attempts)


async def record_failure(
    kind: CredentialKind, address: str, account: str = "", *, method: AuthMethod | None = None
) -> None:
    """Count a wrong credential and record it for the audit log. The caller then raises its own refusal.

    raises  LockedOut, if others failed meanwhile: of concurrent attempts no more get an answer than the limit allows
    """
    attempt = attempt_of(kind, address, account)
    failed_logins.record_failed_login(method or DEFAULT_METHODS[kind], address, account)
    now_ms, rule = clock.now_ms(), LOCKOUT_RULES.get(kind, LockoutRule())
    until_ms = now_ms + (_limits.window_ms + _limits.lockout_ms) * rule.time_factor
    await _prepared_store().add_failure(attempt, now_ms, until_ms)
    history = await _failure_history(attempt)
    with _recording_lockout(method or DEFAULT_METHODS[kind], address, account):
        _refuse_over_limit(attempt, history, limit=_limits.attempts + 1)


async def record_success(kind: CredentialKind, address: str, account: str) -> None:
    """Clear the failures of this account from this address, and remember the address as known.

    Writes only if something changes. Not for credentials that name no account.
    raises  LockedOut, if others failed meanwhile: among concurrent guesses the correct one must not stand out
    """
    attempt = attempt_of(kind, address, account)
    history = await _failure_history(attempt)
    _refuse_over_limit(attempt, history, limit=_limits.attempts)
    if history.pair.count:
        await _prepared_store().clear_failures(attempt)
    if clock.now_ms() - history.last_success_ms > REFRESH_MS:
        await _prepared_store().remember_address(attempt, clock.now_ms())


@contextmanager
def _recording_lockout(method: AuthMethod, address: str, account: str) -> Iterator[None]:
    """Record a lock-out for the audit log."""
    try:
        yield
    except LockedOut:
        failed_logins.record_failed_login(method, address, account, locked=True)
        raise


def attempt_of(kind: CredentialKind, address: str, account: str) -> LoginAttempt:
    """The attempt as it is counted: the account as a fingerprint, the address as by `counted_address`."""
    name = account.strip().lower().encode()
    fingerprint = blake2b(name, key=sealing.derive_key("attempts"), digest_size=16).hexdigest() if name else ""
    return LoginAttempt(kind, fingerprint, counted_address(address))


async def _failure_history(attempt: LoginAttempt) -> FailureHistory:
    factor = LOCKOUT_RULES.get(attempt.credential_kind, LockoutRule()).time_factor
    return await _prepared_store().count_failures(
        attempt, _limits.window_ms * factor, clock.now_ms() + _limits.lockout_ms
    )


def _refuse_over_limit(attempt: LoginAttempt, history: FailureHistory, *, limit: int) -> None:
    """Raise LockedOut if a limit is reached. `limit` is that of the pair, plus 1 if this attempt is counted already."""
    lockout_ms = _limits.lockout_ms * LOCKOUT_RULES.get(attempt.credential_kind, LockoutRule()).time_factor
    own = limit - _limits.attempts
    lockout_ends = [
        failures.newest_ms + lockout_ms
        for failures, factor in _binding_failures(attempt, history)
        if failures.count >= _limits.attempts * factor + own
    ]
    left_ms = max(lockout_ends, default=0) - clock.now_ms()
    if left_ms > 0:
        REJECTED.labels("locked").inc()
        raise LockedOut(TOO_MANY_ATTEMPTS, retry_after_s=-(-left_ms // 1_000))


def _binding_failures(attempt: LoginAttempt, history: FailureHistory) -> Iterator[tuple[FailureCount, int]]:
    """The failure counts that limit this attempt, each with the factor of its limit."""
    if attempt.account:
        yield history.pair, 1
    if attempt.account and not history.last_success_ms:
        yield history.account, LOCKOUT_RULES.get(attempt.credential_kind, LockoutRule()).account_factor
    if not history.last_success_ms:
        yield history.address, WIDE_FACTOR


def _prepared_store() -> FailureStore:
    if _failure_store is None:
        raise RuntimeError("brute_force.prepare(settings, failure_store) was not called")
    return _failure_store
