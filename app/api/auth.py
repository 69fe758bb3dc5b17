"""Signing up, in and out; and who one is."""

import re
from time import time
from typing import Any

from litestar import Controller, Request, Response, get, patch, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET

from app import welcome
from app.api.body import FormBody
from app.errors import Invalid, Unauthorized
from app.security import passwords, principals, setup, strength, tokens
from app.security.addresses import address_of
from app.security.policy import ANYONE, VIEWER
from app.store import sessions, users
from app.store.users import Account
from schema.errors import FieldError
from schema.status import Role
from schema.users import Login, Principal, ProfilePatch, Refresh, Registration, SignedIn, User

AnyRequest = Request[Any, Any, Any]
WRONG = "The user name, e-mail address or password is wrong."
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
            setup.require(settings, request.headers, data.setup_token)
        username = data.username or username_of(data.email)
        strength.require(data.password, username, data.email)
        hashed = await passwords.hashed(data.password)
        user = await users.register(username, data.email, hashed, is_open=settings.registration_open)
        welcome.forget(settings)
        return user

    @post(
        ["/login", "/token"],
        operation_id=lambda _, __, path: "TakeToken" if "token" in str(path) else "Login",
        status_code=200,
        guards=[ANYONE],
        dto=FormBody,
        opt={"refusals": [401]},
    )
    async def login(self, request: AnyRequest, data: JSONBody[Login]) -> Response[SignedIn]:
        """Sign in with e-mail address or user name. Answers with tokens, and sets the cookie `session_id`."""
        account = await users.named(_login_of(data))
        stored = account.password_hash if account and account.active else None
        if not await passwords.matches(data.password, stored) or account is None:
            raise Unauthorized(WRONG)
        await _renew_hash(account, data.password)
        return await begun(request, account.id)

    @post("/refresh", operation_id="Refresh", status_code=200, guards=[ANYONE], opt={"refusals": [401]})
    async def refresh(self, request: AnyRequest, data: JSONBody[Refresh]) -> Response[SignedIn]:
        """Trade a refresh token for a new pair. One that was used before ends the whole session."""
        sid, user_id, fresh = await sessions.rotate(data.refresh_token)
        return _signed_in(request, await users.read(user_id), sid, fresh)

    @post("/logout", operation_id="Logout", status_code=204, guards=[VIEWER])
    async def logout(self, principal: NamedDependency[Principal]) -> Response[None]:
        """Sign out: access token, refresh token and cookie end at once."""
        if principal.session_id is not None:
            await sessions.end(principal.session_id)
        gone = [Cookie(key=name, value="", max_age=0) for name in (principals.COOKIE, principals.CSRF_COOKIE)]
        return Response(None, cookies=gone, status_code=204)

    @get("/me", operation_id="ReadMe", guards=[VIEWER])
    async def me(self, principal: NamedDependency[Principal]) -> User:
        """Who one is."""
        if principal.session_id is None:
            return _user_of(principal)
        return await users.read(principal.user_id)

    @patch("/me", operation_id="ChangeMe", guards=[VIEWER])
    async def change_me(self, principal: NamedDependency[Principal], data: JSONBody[ProfilePatch]) -> User:
        """Change one's own user name or e-mail address."""
        changed = await users.rename(
            principal.user_id,
            username=None if data.username is UNSET else data.username,
            email=None if data.email is UNSET else data.email,
        )
        sessions.forget()
        return changed


async def begun(request: AnyRequest, user_id: str) -> Response[SignedIn]:
    """A new session, with its tokens and its cookie: how every way of signing in ends."""
    sid, refresh = await sessions.start(user_id, ip=address_of(request), agent=request.headers.get("User-Agent", ""))
    return _signed_in(request, await users.read(user_id), sid, refresh)


def is_secure(request: AnyRequest) -> bool:
    """Whether cookies travel by TLS only."""
    return request.app.state.settings.client_url.startswith("https:") or request.url.scheme == "https"


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


def _user_of(principal: Principal) -> User:
    """The installation's own token is nobody's account."""
    return User(
        id=principal.user_id,
        username=principal.username,
        email="",
        is_admin=principal.role is Role.ADMIN,
        role=principal.role,
    )


def _signed_in(request: AnyRequest, user: User, sid: str, refresh: str) -> Response[SignedIn]:
    told = SignedIn(
        access_token=tokens.access(user.id, sid, int(time())),
        user=user,
        refresh_token=refresh,
        expires_in=tokens.ACCESS_S,
    )
    shared: dict[str, Any] = {
        "max_age": tokens.REFRESH_S,
        "secure": is_secure(request),
        "samesite": "lax",
        "path": "/",
    }
    return Response(
        told,
        cookies=[
            Cookie(key=principals.COOKIE, value=tokens.cookie(sid), httponly=True, **shared),
            Cookie(key=principals.CSRF_COOKIE, value=tokens.csrf(sid), **shared),
        ],
    )
