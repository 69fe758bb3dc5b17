"""Signing up, in and out; and who one is."""

import re
from typing import Any

from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, structs

from app import setup_token
from app.api.http import audit_trail
from app.api.http.bodies import FormBody
from app.api.identity import login_response, second_factor
from app.api.openapi.bodies import FORM
from app.errors import Forbidden, Invalid, Unauthorized
from app.security.auth import cookies, principals, setup
from app.security.auth.policy import ANYONE, VIEWER
from app.security.credentials import common_passwords, passwords
from app.security.limits import brute_force
from app.security.limits.client_ip import address_of
from app.store.identity import basic_auth, mfa, sessions, users
from app.store.identity.users import Account
from schema.errors import FieldError
from schema.login_attempts import Proof, Way
from schema.mfa import Credential, Me
from schema.status import Role
from schema.users import Login, PasswordGrant, Principal, ProfilePatch, Refresh, Registration, SignedIn, User

AnyRequest = Request[Any, Any, Any]
WRONG = "The user name, e-mail address or password is wrong."
SIGNING_IN = {"refusals": [401, 403, 429]}
NOT_IN_NAMES = re.compile(r"[\s@:/]")


class AuthController(Controller):
    """Signing up, in and out."""

    path = "/auth"
    tags = ("Auth",)

    @post("/register", operation_id="Register", guards=[ANYONE], opt={"refusals": [403]})
    async def register(self, request: AnyRequest, data: JSONBody[Registration]) -> User:
        """Sign up. The first user becomes admin; later ones are viewers, and only while registration is open."""
        settings = request.app.state.settings
        if not settings.registration_open:
            await users.refuse_strangers()
        if not await users.exist():
            await _prove_setup(request, data.setup_token)
        username = data.username or username_of(data.email)
        common_passwords.require(data.password, username, data.email)
        hashed = await passwords.hashed(data.password)
        user = await users.register(username, data.email, hashed, is_open=settings.registration_open)
        setup_token.forget(settings)
        return user

    @post("/login", operation_id="Login", status_code=200, guards=[ANYONE], dto=FormBody, opt=SIGNING_IN)
    async def login(self, request: AnyRequest, data: JSONBody[Login]) -> Response[SignedIn]:
        """Sign in with e-mail address or user name. Answers with tokens, and sets the cookie `session_id`.

        Who has a second factor also sends `token`, or goes on with the `ticket` of the refusal `TWO_FACTOR_REQUIRED`.
        """
        return await _signed_in(request, data)

    @post(
        "/token",
        operation_id="CreateToken",
        status_code=200,
        guards=[ANYONE],
        dto=FormBody,
        opt={FORM: PasswordGrant, **SIGNING_IN},
    )
    async def token(self, request: AnyRequest, data: JSONBody[Login]) -> Response[SignedIn]:
        """Sign in with a form, as OAuth2 clients do. Otherwise the same as `/auth/login`; both read form and JSON."""
        return await _signed_in(request, data)

    @post("/refresh", operation_id="RefreshToken", status_code=200, guards=[ANYONE], opt={"refusals": [401]})
    async def refresh(self, request: AnyRequest, data: JSONBody[Refresh]) -> Response[SignedIn]:
        """Trade a refresh token for a new pair. One that was used before ends the whole session."""
        sid, user_id, fresh = await sessions.rotate(data.refresh_token)
        return login_response.signed_in(request, await users.read(user_id), sid, fresh)

    @post("/logout", operation_id="Logout", status_code=204, guards=[VIEWER])
    async def logout(self, request: AnyRequest, principal: NamedDependency[Principal]) -> Response[None]:
        """Sign out: access token, refresh token and cookie end at once."""
        if principal.session_id is not None:
            await sessions.end(principal.session_id)
        names = (principals.COOKIE, principals.CSRF_COOKIE)
        gone = [cookies.made(request, name, "", max_age=0, httponly=name == principals.COOKIE) for name in names]
        return Response(None, cookies=gone, status_code=204)

    @get("/me", operation_id="GetMe", guards=[VIEWER])
    async def me(self, principal: NamedDependency[Principal]) -> Me:
        """Get oneself: the user, their second factors, and what this credential may do."""
        user = _user_of(principal) if principal == principals.API_ADMIN else await users.read(principal.user_id)
        credential = _credential_of(principal)
        return Me(**structs.asdict(user), two_factor=await mfa.of(user.id), credential=credential)

    @patch("/me", operation_id="UpdateMe", guards=[VIEWER])
    async def change_me(
        self, request: AnyRequest, principal: NamedDependency[Principal], data: JSONBody[ProfilePatch]
    ) -> User:
        """Change one's own user name or e-mail address. Another address wants the password, and a code if there are."""
        if principal == principals.API_ADMIN:
            raise Forbidden("The installation's own token is nobody's account: sign in as a person.")
        await _prove_owner(request, principal, data)
        changed = await users.rename(
            principal.user_id,
            username=None if data.username is UNSET else data.username,
            email=None if data.email is UNSET else data.email,
        )
        sessions.forget()
        basic_auth.forget()
        return changed


async def _signed_in(request: AnyRequest, data: Login) -> Response[SignedIn]:
    """Sign in who has the password, and the second factor where there is one. Raises Unauthorized, LockedOut."""
    login_response.refuse_foreign(request)
    guess = (Proof.PASSWORD, address_of(request), _login_of(data))
    await brute_force.refuse_if_locked(*guess)
    account = await users.named(_login_of(data))
    audit_trail.of(request).resource_id = account.id if account else ""
    stored = account.password_hash if account and account.active else None
    if not await passwords.matches(data.password, stored) or account is None:
        await brute_force.failed(*guess)
        raise Unauthorized(WRONG)
    bearer = second_factor.Bearer(account, _login_of(data))
    await second_factor.demand(request, bearer, data.token)
    told = await second_factor.finish(request, bearer)
    await _renew_hash(account, data.password)
    return told


async def _prove_setup(request: AnyRequest, token: str | None) -> None:
    """Let the first user in who has the set-up token. Raises Forbidden, LockedOut."""
    await brute_force.refuse_if_locked(Proof.LINK, address_of(request), way=Way.SETUP_TOKEN)
    try:
        setup.require(request.app.state.settings, token)
    except Forbidden:
        await brute_force.failed(Proof.LINK, address_of(request), way=Way.SETUP_TOKEN)
        raise


async def _prove_owner(request: AnyRequest, principal: Principal, data: ProfilePatch) -> None:
    """Want both factors for another address: a provider may sign in by it. Raises Invalid, Forbidden, Unauthorized."""
    if data.email is UNSET or data.email.lower() == (await users.read(principal.user_id)).email:
        return
    await second_factor.prove_both(request, principal, data.password, data.token)


async def _renew_hash(account: Account, password: str) -> None:
    """Hash the password again when today's parameters are others than those it was hashed with."""
    if passwords.is_outdated(account.password_hash):
        await users.keep_hash(account.id, await passwords.hashed(password), instead_of=account.password_hash)


def username_of(email: str) -> str:
    """A user name made of an e-mail address."""
    return NOT_IN_NAMES.sub("_", email.rpartition("@")[0])[:64]


def _login_of(data: Login) -> str:
    if login := data.email or data.username:
        return login
    raise Invalid([FieldError("email", "is required: an e-mail address here, or a user name in `username`")])


def _credential_of(principal: Principal) -> Credential:
    scopes = None if principal.scopes is None else sorted(principal.scopes)
    via: Any = principal.via
    return Credential(via=via, role=principal.role, scopes=scopes, key_id=principal.key_id)


def _user_of(principal: Principal) -> User:
    """The installation's own token is nobody's account."""
    return User(
        id=principal.user_id,
        username=principal.username,
        email="",
        is_admin=principal.role is Role.ADMIN,
        role=principal.role,
    )
