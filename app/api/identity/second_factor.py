"""The second step of signing in: when it is asked for, the ticket between the steps, and where codes are judged."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, TypeVar

from litestar import Request, Response
from msgspec import Struct

from app.api.identity import login_response
from app.errors import Forbidden, Invalid, NoSuch, TwoFactorRequired, Unauthorized
from app.security.credentials import passwords
from app.security.limits import brute_force
from app.security.limits.client_ip import address_of
from app.security.secrets import signed_tokens
from app.store.identity import mfa, users
from app.store.identity.users import Account
from schema.login_attempts import AuthMethod, CredentialKind
from schema.users import LoginResponse, Principal

AnyRequest = Request[Any, Any, Any]
CodeResult = TypeVar("CodeResult")
MFA_TOKEN_LIFETIME_S = 300  # time to find the telephone
WRONG_CODE = "The code is wrong, or was used before."
WRONG_PASSWORD = "The password is wrong."  # noqa: S105  # a sentence
PEOPLE_ONLY = "This is for people who are signed in; an API key or the installation's token is nobody's account."


class PendingLogin(Struct, frozen=True):
    """Who did the first step, and the login as it was typed there: by it failures are counted, and forgiven."""

    account: Account
    login: str


async def require_second_factor(request: AnyRequest, bearer: PendingLogin, token: str | None) -> None:
    """Let through whose password was right. Raises TwoFactorRequired for want of a code, Unauthorized for a bad one.

    Of passwords guessed at once, the right one is not told apart by what is asked for next: LockedOut comes first.
    """
    account = bearer.account
    has = await mfa.get_status(account.id)
    if not has.enabled:
        return
    await brute_force.refuse_if_locked(CredentialKind.PASSWORD, address_of(request), bearer.login)
    if not token:
        methods = {"totp": has.totp, "passkey": has.passkeys, "recovery_code": has.recovery_codes}
        ticket = signed_tokens.issue_token(
            signed_tokens.MFA_TOKEN_KIND,
            MFA_TOKEN_LIFETIME_S,
            sub=account.id,
            login=bearer.login,
            mark=_password_fingerprint(account),
        )
        told: dict[str, Any] = {
            "ticket": ticket,
            "expires_in": MFA_TOKEN_LIFETIME_S,
            "methods": [name for name, there in methods.items() if there],
        }
        raise TwoFactorRequired("A code of your authenticator app, a recovery code or a passkey is needed.", **told)
    await verify_code(request, account.id, token)


async def verify_code(request: AnyRequest, user_id: str, token: str) -> None:
    """Take a code of a factor that is on, whatever it is for. Raises Unauthorized, LockedOut."""
    if not await check_code(request, user_id, token, mfa.verify_code):
        raise Unauthorized(WRONG_CODE)


async def check_code(
    request: AnyRequest, user_id: str, token: str, judge: Callable[[str, str], Awaitable[CodeResult]]
) -> CodeResult:
    """What the judge says of a code. The one place where codes are tried, and counted. Raises LockedOut."""
    guess = (CredentialKind.CODE, address_of(request), user_id)
    await brute_force.refuse_if_locked(*guess)
    if told := await judge(user_id, token):
        await brute_force.record_success(*guess)
    else:
        await brute_force.record_failure(*guess)
    return told


async def complete_login(request: AnyRequest, bearer: PendingLogin) -> Response[LoginResponse]:
    """Sign in who did both steps: only now the password's failures are forgiven, and the address is familiar."""
    await brute_force.record_success(CredentialKind.PASSWORD, address_of(request), bearer.login)
    account = bearer.account
    return await login_response.start_session(request, await users.get(account.id), password_hash=account.password_hash)


async def read_mfa_token(ticket: str) -> PendingLogin:
    """Whose password was right, and still is. Raises Unauthorized."""
    told = signed_tokens.read_token(signed_tokens.MFA_TOKEN_KIND, ticket)
    account = await _find_account(str(told["sub"]))
    if account is None or not account.active or _password_fingerprint(account) != told["mark"]:
        raise Unauthorized(signed_tokens.TOKEN_INVALID)
    return PendingLogin(account, str(told["login"]))


async def verify_password(request: AnyRequest, principal: Principal, password: str) -> Account:
    """The account of somebody signed in who says the password once more. Raises Forbidden, Unauthorized, LockedOut."""
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
    """Want the password once more and, where there is a second factor, a code.

    raises  Invalid (which of them is missing), Forbidden, Unauthorized, LockedOut
    """
    require_person(principal)
    if password is None:
        raise Invalid.for_field("password", "is required: the one you sign in with")
    account = await verify_password(request, principal, password)
    if not (await mfa.get_status(account.id)).enabled:
        return
    if not token:
        raise Invalid.for_field("token", "is required: a one-time or recovery code")
    await verify_code(request, account.id, token)


def require_person(principal: Principal) -> str:
    """The id of somebody who is signed in with a session. Raises Forbidden."""
    if principal.session_id is None:
        raise Forbidden(PEOPLE_ONLY)
    return principal.user_id


async def _find_account(user_id: str) -> Account | None:
    try:
        return await users.find_by_login((await users.get(user_id)).username)
    except NoSuch:
        return None


def _password_fingerprint(account: Account) -> str:
    """Another one as soon as the password is."""
    return sha256(account.password_hash.encode()).hexdigest()[:16]
