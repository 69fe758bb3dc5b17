"""Headers of requests and responses, as every operation declares them."""

from typing import Any, get_args

from litestar.handlers import HTTPRouteHandler

from app.api.http import etags, idempotency, rate_limits
from app.api.openapi.bodies import return_type
from schema.api_keys import IssuedApiKey
from schema.checks import Check

Node = dict[str, Any]
WHOLE_NUMBER = {"type": "integer", "minimum": 0}
HEADERS: dict[str, Node] = {
    "X-Request-ID": {
        "description": "The id of this request in the server log. A valid id that you send is kept.",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {"description": "How many requests the limit allows.", "schema": WHOLE_NUMBER},
    "X-RateLimit-Remaining": {"description": "How many requests are left.", "schema": WHOLE_NUMBER},
    "X-RateLimit-Reset": {
        "description": "The epoch second at which the whole limit is available again.",
        "schema": WHOLE_NUMBER,
    },
    "Retry-After": {"description": "How many seconds to wait before you try again.", "schema": WHOLE_NUMBER},
    "ETag": {
        "description": "The version of the resource, and a digest of what is shown. Send it as `If-Match` with a change"
        " or, to get the resource only if it differs, as `If-None-Match`.",
        "schema": {"type": "string", "examples": ['"3-9f86d081884c"']},
    },
    "Accept-Encoding": {
        "description": "Which content codings are supported, if the coding of the body was not.",
        "schema": {"type": "string", "const": "identity"},
    },
    "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` when this is the stored reply to an earlier request with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
}
RATE_LIMIT_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
IDEMPOTENCY_KEY: Node = {
    "name": idempotency.HEADER,
    "in": "header",
    "description": "Makes a request safe to repeat: with the same key it is carried out once and has the same reply.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
IF_NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETags of copies that you have, separated by commas; the reply is 304 if one of them is the newest.",
    "schema": {"type": "string", "examples": ['"3-9f86d081884c"']},
}
ERROR_HEADERS = {
    401: ("WWW-Authenticate",),
    409: ("Retry-After",),  # while the first request with the same key runs
    415: ("Accept-Encoding",),
    429: (*RATE_LIMIT_HEADERS, "Retry-After"),
    503: ("Retry-After",),
}
VERSIONED_TYPES = frozenset({*etags.Versioned.__constraints__, Check, IssuedApiKey})


def declare_headers(operation: Node, handler: HTTPRouteHandler, path: str) -> None:
    """Declare the headers of an operation's successful responses, and the Idempotency-Key of a POST."""
    names = ["X-Request-ID", *(RATE_LIMIT_HEADERS if rate_limits.is_counted(handler) else ())]
    takes_key = "post" in {one.lower() for one in handler.http_methods} and idempotency.applies_to(handler, path)
    if takes_key:
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        names.append("Idempotency-Replayed")
    if has_etag(handler):
        names.append("ETag")
        if "GET" in handler.http_methods:
            operation.setdefault("parameters", []).append(IF_NONE_MATCH)
            operation["responses"]["304"] = {"description": "The copy that `If-None-Match` names is the newest."}
    for reply in (one for one in operation["responses"].values() if "$ref" not in one):
        reply["headers"] = {**(reply.get("headers") or {}), **header_refs(*names)}


def header_refs(*names: str) -> Node:
    """References to headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def error_headers(status: int) -> Node:
    """The headers of an error response."""
    return header_refs("X-Request-ID", *ERROR_HEADERS.get(status, ()))


def has_etag(handler: HTTPRouteHandler) -> bool:
    """Whether a handler returns a versioned resource with its ETag."""
    returned = return_type(handler)
    is_wrapped = handler.parsed_fn_signature.return_type.annotation is not returned
    return is_wrapped and any(one in VERSIONED_TYPES for one in get_args(returned) or (returned,))
