"""Signing up, in and out, and one's own profile."""

import re
from typing import Any

from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, structs

from app import setup_token
from app.api.http import audit_trail
from app.api.http.bodies import FormBodyDTO
from app.api.identity import login_response, second_factor
from app.api.openapi.bodies import FORM_STRUCT
from app.errors import Forbidden, Invalid, Unauthorized
from app.security.auth import cookies, principals, setup
from app.security.auth.policy import ANYONE, VIEWER
from app.security.credentials import common_passwords, passwords
from app.security.limits import brute_force
from app.security.limits.proxy_headers import address_of
from app.store.identity import credential_caches, mfa, sessions, users
from app.store.identity.sessions import RefreshTokenReused
from app.store.identity.users import Account
from schema.errors import FieldError
from schema.login_attempts import AuthMethod, CredentialKind
from schema.mfa import Credential, CurrentUser
from schema.status import Role
from schema.users import (
    Login,
    LoginResponse,
    PasswordGrant,
    Principal,
    ProfilePatch,
    RefreshRequest,
    Registration,
    User,
)

AnyRequest = Request[Any, Any, Any]
WRONG_LOGIN = "The user name, e-mail address or password is wrong."
SIGNING_IN = {"refusals": [401, 403, 429]}
INVALID_NAME_CHARS = re.compile(r"[\s@:/]")


class AuthController(Controller):
    """Signing up, in and out."""

    path = "/auth"
    tags = ("Auth",)

    @post("/register", operation_id="Register", guards=[ANYONE], opt={"refusals": [403]})
    async def register(self, request: AnyRequest, data: JSONBody[Registration]) -> User:
        """Sign up. The first user becomes admin; later ones become viewers, and only while registration is open."""
        settings = request.app.state.settings
        if not settings.registration_open:
            await users.require_first_user()
        if not await users.any_exist():
            await _verify_setup_token(request, data.setup_token)
        username = data.username or username_from_email(data.email)
        common_passwords.require_strong_password(data.password, username, data.email)
        hashed = await passwords.hash_password(data.password)
        user = await users.register(username, data.email, hashed, is_open=settings.registration_open)
        setup_token.delete_token(settings)
        return user

    @post("/login", operation_id="Login", status_code=200, guards=[ANYONE], dto=FormBodyDTO, opt=SIGNING_IN)
    async def login(self, request: AnyRequest, data: JSONBody[Login]) -> Response[LoginResponse]:
        """Sign in with e-mail address or user name. Returns tokens, and sets the cookie `session_id`.

        With a second factor, also send `token`, or continue with the `mfa_token` of the error `TWO_FACTOR_REQUIRED`.
        """
        return await _sign_in(request, data)

    @post(
        "/token",
        operation_id="CreateToken",
        status_code=200,
        guards=[ANYONE],
        dto=FormBodyDTO,
        opt={FORM_STRUCT: PasswordGrant, **SIGNING_IN},
    )
    async def create_token(self, request: AnyRequest, data: JSONBody[Login]) -> Response[LoginResponse]:
        """Sign in with a form, as OAuth2 clients do. Otherwise the same as `/auth/login`; both read form and JSON."""
        return await _sign_in(request, data)

    @post("/refresh", operation_id="RefreshToken", status_code=200, guards=[ANYONE], opt={"refusals": [401]})
    async def refresh_token(self, request: AnyRequest, data: JSONBody[RefreshRequest]) -> Response[LoginResponse]:
        """Exchange a refresh token for a new pair of tokens.

        For 30 seconds the used token returns the same new refresh token again, for tabs that refresh together and for a
        response that was lost. After that, a token that was used before ends the whole session.
        """
        try:
            session = await sessions.rotate_refresh_token(data.refresh_token)
        except RefreshTokenReused as reused:
            audit_trail.trail_of(request).record_token_reuse(await users.get(reused.user_id))
            raise
        if session.is_repeated:
            audit_trail.trail_of(request).change["repeated"] = True
        return login_response.build_response(
            request, await users.get(session.user_id), session.id, session.refresh_token
        )

    @post("/logout", operation_id="Logout", status_code=204, guards=[VIEWER])
    async def logout(self, request: AnyRequest, principal: NamedDependency[Principal]) -> Response[None]:
        """Sign out: access token, refresh token and cookie become invalid at once."""
        if principal.session_id is not None:
            await sessions.end(principal.session_id)
        names = (principals.SESSION_COOKIE, principals.CSRF_COOKIE)
        expired = [
            cookies.make_cookie(request, name, "", max_age=0, httponly=name == principals.SESSION_COOKIE)
            for name in names
        ]
        return Response(None, cookies=expired, status_code=204)

    @get("/me", operation_id="GetMe", guards=[VIEWER])
    async def get_me(self, principal: NamedDependency[Principal]) -> CurrentUser:
        """Get your own user, your second factors, and the permissions of this credential."""
        is_installation = principal == principals.API_ADMIN
        user = _installation_user(principal) if is_installation else await users.get(principal.user_id)
        credential = _credential_of(principal)
        return CurrentUser(**structs.asdict(user), two_factor=await mfa.get_status(user.id), credential=credential)

    @patch("/me", operation_id="UpdateMe", guards=[VIEWER])
    async def update_me(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[ProfilePatch]
    ) -> User:
        """Update your own user name or e-mail address. A new address needs the password, and a code with 2FA."""
        if principal == principals.API_ADMIN:
            raise Forbidden("The installation's own token has no account. Sign in as a user.")
        await _verify_email_change(request, principal, data)
        user = await users.rename(
            principal.user_id,
            username=None if data.username is UNSET else data.username,
            email=None if data.email is UNSET else data.email,
        )
        credential_caches.clear_caches()
        return user


async def _sign_in(request: AnyRequest, data: Login) -> Response[LoginResponse]:
    """Check the password and, where there is one, the second factor, and sign in. Raises Unauthorized, LockedOut."""
    login_response.refuse_foreign_origin(request)
    guess = (CredentialKind.PASSWORD, address_of(request), _login_of(data))
    await brute_force.refuse_if_locked(*guess)
    account = await users.find_by_login(_login_of(data))
    audit_trail.trail_of(request).resource_id = account.id if account else ""
    stored_hash = account.password_hash if account and account.active else None
    if not await passwords.matches(data.password, stored_hash) or account is None:
        await brute_force.record_failure(*guess)
        raise Unauthorized(WRONG_LOGIN)
    pending = second_factor.PendingLogin(account, _login_of(data))
    await second_factor.require_second_factor(request, pending, data.token)
    response = await second_factor.complete_login(request, pending)
    await _rehash_if_outdated(account, data.password)
    return response


async def _verify_setup_token(request: AnyRequest, token: str | None) -> None:
    """Check the set-up token of the first user. Raises Forbidden, LockedOut."""
    await brute_force.refuse_if_locked(CredentialKind.LINK, address_of(request), method=AuthMethod.SETUP_TOKEN)
    settings = request.app.state.settings
    if setup.is_setup_token(settings, token):
        return
    if await users.any_exist():  # another request registered the first user meanwhile, and its token is gone
        setup_token.delete_token(settings)
        return
    await brute_force.record_failure(CredentialKind.LINK, address_of(request), method=AuthMethod.SETUP_TOKEN)
    raise Forbidden(setup.SETUP_TOKEN_REQUIRED)


async def _verify_email_change(request: AnyRequest, principal: Principal, data: ProfilePatch) -> None:
    """Require both factors for a new address, because OIDC signs in by it. Raises Invalid, Forbidden, Unauthorized."""
    if data.email is UNSET or data.email.lower() == (await users.get(principal.user_id)).email:
        return
    await second_factor.verify_password_and_code(request, principal, data.password, data.token)


async def _rehash_if_outdated(account: Account, password: str) -> None:
    """Hash the password again when its hash has outdated parameters."""
    if passwords.is_outdated(account.password_hash):
        await users.update_password_hash(
            account.id, await passwords.hash_password(password), old_hash=account.password_hash
        )


def username_from_email(email: str) -> str:
    """A user name from the local part of an e-mail address."""
    return INVALID_NAME_CHARS.sub("_", email.rpartition("@")[0])[:64]


def _login_of(data: Login) -> str:
    if login := data.email or data.username:
        return login
    raise Invalid([FieldError("email", "is required if there is no `username`")])


def _credential_of(principal: Principal) -> Credential:
    scopes = None if principal.scopes is None else sorted(principal.scopes)
    via: Any = principal.via
    return Credential(via=via, role=principal.role, scopes=scopes, key_id=principal.key_id)


def _installation_user(principal: Principal) -> User:
    """A user that stands for the installation's own token, which has no account."""
    return User(
        id=principal.user_id,
        username=principal.username,
        email="",
        is_admin=principal.role is Role.ADMIN,
        role=principal.role,
    )
