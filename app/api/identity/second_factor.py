"""The second login step: when it is required, the MFA token between the steps, and the check of codes and passwords."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, TypeVar

from litestar import Request, Response
from msgspec import Struct

from app.api.identity import login_response
from app.errors import Forbidden, Invalid, NoSuch, TwoFactorRequired, Unauthorized
from app.security.credentials import passwords
from app.security.limits import brute_force
from app.security.limits.proxy_headers import address_of
from app.security.secrets import signed_tokens
from app.store.identity import mfa, users
from app.store.identity.users import Account
from schema.login_attempts import AuthMethod, CredentialKind
from schema.users import LoginResponse, Principal

AnyRequest = Request[Any, Any, Any]
CodeResult = TypeVar("CodeResult")
MFA_TOKEN_LIFETIME_S = 300  # time to find the telephone
WRONG_CODE = "The code is wrong."
WRONG_PASSWORD = "The password is wrong."  # noqa: S105  # a sentence
PEOPLE_ONLY = "Sign in first. API keys, Basic and the installation's token can't do this."


class PendingLogin(Struct, frozen=True):
    """A login whose password was right. `login` is the name as it was typed, by which failures are counted."""

    account: Account
    login: str


async def require_second_factor(request: AnyRequest, pending: PendingLogin, token: str | None) -> None:
    """Check the code of an account with a second factor. Raises TwoFactorRequired without a code, Unauthorized.

    LockedOut is raised first, so that the reply does not reveal which of many guessed passwords was right.
    """
    account = pending.account
    status = await mfa.get_status(account.id)
    if not status.enabled:
        return
    await brute_force.refuse_if_locked(CredentialKind.PASSWORD, address_of(request), pending.login)
    if not token:
        methods = {"totp": status.totp, "passkey": status.passkeys, "recovery_code": status.recovery_codes}
        mfa_token = signed_tokens.issue_token(
            signed_tokens.MFA_TOKEN_KIND,
            MFA_TOKEN_LIFETIME_S,
            sub=account.id,
            login=pending.login,
            mark=_password_fingerprint(account),
        )
        details: dict[str, Any] = {
            "mfa_token": mfa_token,
            "expires_in": MFA_TOKEN_LIFETIME_S,
            "methods": [name for name, available in methods.items() if available],
        }
        raise TwoFactorRequired(
            "A second factor is required. Send a code of your authenticator app or a recovery code, or use a passkey.",
            **details,
        )
    await verify_code(request, account.id, token)


async def verify_code(request: AnyRequest, user_id: str, token: str) -> None:
    """Check a code of an enabled factor. Raises Unauthorized, LockedOut."""
    if not await check_code(request, user_id, token, mfa.verify_code):
        raise Unauthorized(WRONG_CODE)


async def check_code(
    request: AnyRequest, user_id: str, token: str, verify: Callable[[str, str], Awaitable[CodeResult]]
) -> CodeResult:
    """The result of `verify` for a code; false when it is wrong. All codes are checked and counted here.

    raises  LockedOut; UsedCode, which is not counted, since an honest client may repeat a request
    """
    guess = (CredentialKind.CODE, address_of(request), user_id)
    await brute_force.refuse_if_locked(*guess)
    if result := await verify(user_id, token):
        await brute_force.record_success(*guess)
    else:
        await brute_force.record_failure(*guess)
    return result


async def complete_login(request: AnyRequest, pending: PendingLogin) -> Response[LoginResponse]:
    """Sign in after both steps: clears the failures of the password, and remembers the address."""
    await brute_force.record_success(CredentialKind.PASSWORD, address_of(request), pending.login)
    account = pending.account
    return await login_response.start_session(request, await users.get(account.id), password_hash=account.password_hash)


async def read_mfa_token(mfa_token: str) -> PendingLogin:
    """The login of an MFA token, while its password is unchanged. Raises Unauthorized."""
    claims = signed_tokens.read_token(signed_tokens.MFA_TOKEN_KIND, mfa_token)
    account = await _find_account(str(claims["sub"]))
    if account is None or not account.active or _password_fingerprint(account) != claims["mark"]:
        raise Unauthorized(signed_tokens.TOKEN_INVALID)
    return PendingLogin(account, str(claims["login"]))


async def verify_password(request: AnyRequest, principal: Principal, password: str) -> Account:
    """The account of a signed-in user who confirms the password. Raises Forbidden, Unauthorized, LockedOut."""
    account = await _find_account(principal.user_id) if principal.session_id is not None else None
    if account is None:
        raise Forbidden(PEOPLE_ONLY)
    guess = (CredentialKind.PASSWORD, address_of(request), account.username)
    await brute_force.refuse_if_locked(*guess, method=AuthMethod.OWN_PASSWORD)
    if not await passwords.matches(password, account.password_hash):
        await brute_force.record_failure(*guess, method=AuthMethod.OWN_PASSWORD)
        raise Unauthorized(WRONG_PASSWORD)
    await brute_force.record_success(*guess)
    return account


async def verify_password_and_code(
    request: AnyRequest, principal: Principal, password: str | None, token: str | None
) -> None:
    """Check the password and, where there is a second factor, a code.

    raises  Invalid (which of them is missing), Forbidden, Unauthorized, LockedOut
    """
    require_person(principal)
    if password is None:
        raise Invalid.for_field("password", "is required: your current password")
    account = await verify_password(request, principal, password)
    if not (await mfa.get_status(account.id)).enabled:
        return
    if not token:
        raise Invalid.for_field("token", "is required: a one-time or recovery code")
    await verify_code(request, account.id, token)


def require_person(principal: Principal) -> str:
    """The id of a user who is signed in with a session. Raises Forbidden."""
    if principal.session_id is None:
        raise Forbidden(PEOPLE_ONLY)
    return principal.user_id


async def _find_account(user_id: str) -> Account | None:
    try:
        return await users.find_by_login((await users.get(user_id)).username)
    except NoSuch:
        return None


def _password_fingerprint(account: Account) -> str:
    """A short hash of the password hash, which changes with the password."""
    return sha256(account.password_hash.encode()).hexdigest()[:16]
