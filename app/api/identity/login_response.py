"""The response to a successful login: the session's tokens and its two cookies."""

from time import time
from typing import Any

from litestar import Request, Response

from app.api.http import audit_trail
from app.domain.parsing.plain_text import one_line
from app.errors import Forbidden
from app.security.auth import cookies, principals, tokens
from app.security.limits.client_ip import address_of
from app.store.identity import sessions
from schema.users import LoginResponse, User

AnyRequest = Request[Any, Any, Any]
MAX_USER_AGENT_CHARS = 200  # stored with the session


def refuse_foreign_origin(request: AnyRequest) -> None:
    """Raise Forbidden for a page of another site, which could sign its visitors in to an account of its choice."""
    if "Origin" in request.headers and not principals.is_same_origin(request):
        raise Forbidden("Pages of this `Origin` can't sign in. Use a page of CLIENT_URL or of this host.")


async def start_session(
    request: AnyRequest, user: User, *, password_hash: str | None = None
) -> Response[LoginResponse]:
    """Start a session of the user, and return its response. Raises Unauthorized when the password has changed.

    password_hash   the hash that the password was checked against; None without a password
    """
    agent = one_line(request.headers.get("User-Agent", ""), MAX_USER_AGENT_CHARS)
    sid, refresh = await sessions.start(user.id, ip=address_of(request), agent=agent, password_hash=password_hash)
    return build_response(request, user, sid, refresh)


def build_response(request: AnyRequest, user: User, sid: str, refresh: str) -> Response[LoginResponse]:
    """The response with a new access token, the refresh token and the cookies."""
    audit_trail.trail_of(request).record_sign_in(user)
    login = LoginResponse(
        access_token=tokens.access_token(user.id, sid, int(time())),
        user=user,
        refresh_token=refresh,
        expires_in=tokens.ACCESS_LIFETIME_S,
    )
    max_age = tokens.REFRESH_LIFETIME_S
    session_cookie, csrf_token = tokens.session_cookie(sid), tokens.csrf_token(sid)
    return Response(
        login,
        cookies=[
            cookies.make_cookie(request, principals.SESSION_COOKIE, session_cookie, max_age=max_age, httponly=True),
            cookies.make_cookie(request, principals.CSRF_COOKIE, csrf_token, max_age=max_age, httponly=False),
        ],
    )
