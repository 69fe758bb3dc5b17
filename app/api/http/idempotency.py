"""`Idempotency-Key` on POST: the same request sent twice is carried out once, and answered twice.

It counts for whoever is signed in, per principal, method and address. Ignored it is where pushes need none, where
signing in must not be repeated, and where nobody has to be signed in: such an answer is not the principal's.
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
TRANSIENT_STATUSES = frozenset(
    {429, 503}
)  # nothing was changed, try again; after any other 5xx something may have been
RETRY_AFTER_S = 2  # when to ask again for what is still running

log = structlog.get_logger()
AnyRequest = Request[Any, Any, Any]


async def replay_or_claim(request: AnyRequest) -> Response[bytes] | None:
    """The stored reply, when this request was sent before. Runs after the guards. Raises Invalid, Conflict."""
    if request.method != "POST" or HEADER not in request.headers or _is_excluded(request):
        return None
    principal = await principals.resolve_principal(request)
    if principal is None:
        return None
    key = request.headers[HEADER]
    if not KEY_PATTERN.fullmatch(key):
        raise Invalid.for_field(HEADER, KEY_REQUIREMENT)
    body_hash = sha256(await request.body()).hexdigest()
    found = await idempotency.claim_request(_claim_id(request, principal, key), body_hash, clock.now_ms())
    if isinstance(found, ClaimRejection):
        raise _conflict(key, found)
    if isinstance(found, StoredReply):
        request.scope["state"]["replayed"] = True
        return _replay(found)
    request.scope["state"]["claim"] = found
    return None


def holds_claim(scope: Scope) -> bool:
    """Whether the answer to this request is to be kept."""
    return "claim" in scope["state"]


async def store_reply(scope: Scope, start: HTTPResponseStartEvent, body: bytes, *, whole: bool) -> None:
    """Keep the reply, or give the key free when nothing came of it. The answer goes out whatever happens here.

    whole  whether `body` is all of it; what comes in parts is never kept
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
    except db.TRANSIENT_ERRORS as error:  # until its lease ends, the key says "still running"
        log.warning("idempotency.not_stored", reason=str(error))


def _is_excluded(request: AnyRequest) -> bool:
    return not applies_to(request.route_handler, request.url.path)


def applies_to(handler: BaseRouteHandler, path: str) -> bool:
    """Whether a key means something to a POST of this handler, at this path."""
    return not (EXCLUDED_PATH in path or handler.opt.get(QUIET) or handler.opt[policy.RULE].least is None)


def _claim_id(request: AnyRequest, principal: Principal, key: str) -> str:
    who = (principal.user_id, principal.key_id or "")
    where = (request.method, request.url.path, request.url.query)
    return sha256("\n".join((*who, *where, key)).encode()).hexdigest()


def _conflict(key: str, other: ClaimRejection) -> Conflict:
    if other is ClaimRejection.DIFFERENT_BODY:
        return Conflict(f"The Idempotency-Key {key!r} was used with another body: take a new one.", key=key)
    if other is ClaimRejection.RUNNING:
        told = f"The request with the Idempotency-Key {key!r} is still running: ask again."
        return Conflict(told, key=key, retry_after_s=RETRY_AFTER_S)
    return Conflict(f"The request with the Idempotency-Key {key!r} is done; its reply was not kept.", key=key)


def _replay(kept: StoredReply) -> Response[bytes]:
    """The same reply. Its content type goes as a header: to a media type of text Litestar adds another charset."""
    return Response(kept.body, status_code=kept.status, headers={**kept.headers, REPLAYED_HEADER: "true"})


def _stored_headers(start: HTTPResponseStartEvent) -> dict[str, str]:
    told = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in start["headers"])
    return {name: value for name, value in told if name in STORED_HEADERS}
