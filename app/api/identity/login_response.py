"""What somebody is given who has just signed in: tokens, and the two cookies of the same session."""

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
MAX_USER_AGENT_CHARS = 200  # characters of a User-Agent that are kept


def refuse_foreign_origin(request: AnyRequest) -> None:
    """Raise Forbidden for a page of somebody else's: it would sign a visitor in as whom it likes."""
    if "Origin" in request.headers and not principals.is_same_origin(request):
        raise Forbidden("Signing in is for our own pages, CLIENT_URL's, and programs: this `Origin` is none of them.")


async def start_session(
    request: AnyRequest, user: User, *, password_hash: str | None = None
) -> Response[LoginResponse]:
    """Begin a session of the user, and answer with it.

    password_hash   of the password they came with, if they did: it must be theirs still. Raises Unauthorized
    """
    agent = one_line(request.headers.get("User-Agent", ""), MAX_USER_AGENT_CHARS)
    sid, refresh = await sessions.start(user.id, ip=address_of(request), agent=agent, password_hash=password_hash)
    return build_response(request, user, sid, refresh)


def build_response(request: AnyRequest, user: User, sid: str, refresh: str) -> Response[LoginResponse]:
    """The reply to who is in: a fresh pair of tokens, and the cookies."""
    audit_trail.trail_of(request).record_sign_in(user)
    told = LoginResponse(
        access_token=tokens.access_token(user.id, sid, int(time())),
        user=user,
        refresh_token=refresh,
        expires_in=tokens.ACCESS_LIFETIME_S,
    )
    lives = {"max_age": tokens.REFRESH_LIFETIME_S}
    return Response(
        told,
        cookies=[
            cookies.make_cookie(request, principals.SESSION_COOKIE, tokens.session_cookie(sid), httponly=True, **lives),
            cookies.make_cookie(request, principals.CSRF_COOKIE, tokens.csrf_token(sid), httponly=False, **lives),
        ],
    )
