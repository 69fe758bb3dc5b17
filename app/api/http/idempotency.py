"""`Idempotency-Key` on POST: a repeated request is carried out once and gets the same response.

A key holds per principal, method and URL. It is ignored for pushes, for signing in, and on public routes, whose
response does not belong to a principal.
"""

import re
from hashlib import sha256
from typing import Any

import structlog
from litestar import Request, Response
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope
from litestar.types.asgi_types import HTTPResponseStartEvent

from app import clock, db
from app.api.http.request_context import QUIET
from app.errors import Conflict, Invalid
from app.security.auth import policy, principals
from app.store.system import idempotency
from app.store.system.idempotency import ClaimRejection, RequestClaim, StoredReply
from schema.users import Principal

HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"
KEY_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")
KEY_REQUIREMENT = "must be 1 to 255 visible ASCII characters, without spaces"
EXCLUDED_PATH = "/auth/"
STORED_HEADERS = frozenset(
    {"content-type", "etag", "location", "link", "retry-after", "x-deprecated", "deprecation", "sunset"}
)
TRANSIENT_STATUSES = frozenset({429, 503})  # nothing was changed; after any other 5xx something may have been
RETRY_AFTER_S = 2  # while the first request is still running

log = structlog.get_logger()
AnyRequest = Request[Any, Any, Any]


async def replay_or_claim(request: AnyRequest) -> Response[bytes] | None:
    """The stored reply when this request was sent before, else None with the key claimed. Runs after the guards.

    raises  Invalid (not a key), Conflict (used with another body, still running, reply not kept)
    """
    if request.method != "POST" or HEADER not in request.headers:
        return None
    if not applies_to(request.route_handler, request.url.path):
        return None
    principal = await principals.resolve_principal(request)
    if principal is None:
        return None
    key = request.headers[HEADER]
    if not KEY_PATTERN.fullmatch(key):
        raise Invalid.for_field(HEADER, KEY_REQUIREMENT)
    body_hash = sha256(await request.body()).hexdigest()
    claimed = await idempotency.claim_request(_claim_id(request, principal, key), body_hash, clock.now_ms())
    if isinstance(claimed, ClaimRejection):
        raise _conflict(key, claimed)
    if isinstance(claimed, StoredReply):
        request.scope["state"]["replayed"] = True
        return _replay(claimed)
    request.scope["state"]["claim"] = claimed
    return None


def holds_claim(scope: Scope) -> bool:
    """Whether the response to this request must be stored."""
    return "claim" in scope["state"]


async def store_reply(scope: Scope, start: HTTPResponseStartEvent, body: bytes, *, whole: bool) -> None:
    """Store the reply, or release the key when nothing was changed. The response is sent whatever happens here.

    whole  whether `body` is complete; a streamed body is never stored
    """
    claim: RequestClaim = scope["state"].pop("claim")
    status = start["status"]
    try:
        if status in TRANSIENT_STATUSES:
            await idempotency.release(claim)
        else:
            too_large = b"\0" * (idempotency.MAX_REPLY_BYTES + 1)
            reply = StoredReply(status=status, headers=_stored_headers(start), body=body if whole else too_large)
            await idempotency.store_reply(claim, reply)
    except db.TRANSIENT_ERRORS as error:  # until its lease ends, the key counts as still running
        log.warning("idempotency.store_failed", reason=str(error))


def applies_to(handler: BaseRouteHandler, path: str) -> bool:
    """Whether a POST to this handler at this path takes a key."""
    return not (EXCLUDED_PATH in path or handler.opt.get(QUIET) or handler.opt[policy.RULE].min_role is None)


def _claim_id(request: AnyRequest, principal: Principal, key: str) -> str:
    caller = (principal.user_id, principal.key_id or "")
    url = (request.method, request.url.path, request.url.query)
    return sha256("\n".join((*caller, *url, key)).encode()).hexdigest()


def _conflict(key: str, rejection: ClaimRejection) -> Conflict:
    if rejection is ClaimRejection.DIFFERENT_BODY:
        return Conflict(f"The Idempotency-Key {key!r} was used with another body. Use a new key.", key=key)
    if rejection is ClaimRejection.RUNNING:
        message = f"The request with the Idempotency-Key {key!r} is still running. Try again later."
        return Conflict(message, key=key, retry_after_s=RETRY_AFTER_S)
    return Conflict(
        f"The request with the Idempotency-Key {key!r} was completed, but its reply was not stored.", key=key
    )


def _replay(reply: StoredReply) -> Response[bytes]:
    """The stored reply. Its content type is a plain header: Litestar adds a charset to a text media type."""
    return Response(reply.body, status_code=reply.status, headers={**reply.headers, REPLAYED_HEADER: "true"})


def _stored_headers(start: HTTPResponseStartEvent) -> dict[str, str]:
    headers = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    return {name: value for name, value in headers if name in STORED_HEADERS}
