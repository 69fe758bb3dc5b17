"""Error responses, as every operation declares them."""

from typing import Any

from litestar.handlers import HTTPRouteHandler

from app.api.http import bodies, rate_limits
from app.api.http.errors import CODES
from app.api.openapi import headers
from app.api.openapi.schemas import REF_PREFIX, SchemaBuilder
from schema.errors import ErrorReply

Node = dict[str, Any]
DESCRIPTIONS = {
    400: "The request can't be read.",
    401: "Nobody is signed in, or with something that is not valid.",
    403: "Signed in, without the role for it.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "Another thing is in the way.",
    412: "`If-Match` names an older version than the stored one.",
    413: "The body is larger than 1,000,000 bytes.",
    415: "The body is of a kind this path does not read.",
    422: "Fields are wrong: `details.fields` has them, the first 50.",
    429: "Too many requests; `Retry-After` says how long to wait.",
    500: "Our fault; the request id finds it in the log.",
    502: "Somebody we had to ask did not take it.",
    503: "We can't just now; nothing was changed.",
    504: "It took too long and was given up.",
}


def error_components(schemas: SchemaBuilder) -> Node:
    """The error responses as components, by their codes."""
    schemas.schema_of(ErrorReply)
    content = {bodies.JSON: {"schema": {"$ref": f"{REF_PREFIX}{ErrorReply.__name__}"}}}
    return {
        CODES[status]: {"description": description, "headers": headers.error_headers(status), "content": content}
        for status, description in DESCRIPTIONS.items()
    }


def declare_errors(operation: Node, handler: HTTPRouteHandler, *, is_public: bool, has_path_parameter: bool) -> None:
    """Add the error responses of an operation."""
    statuses = [422, 500, 503, 504, *([] if is_public else [401, 403]), *([404] if has_path_parameter else [])]
    statuses += [400, 408, 409, 413, 415] if "requestBody" in operation else []
    statuses += [409] if headers.IDEMPOTENCY_KEY in operation.get("parameters", ()) else []
    statuses += [429] if rate_limits.is_counted(handler) else []
    for status in sorted({*statuses, *handler.opt.get("refusals", ())}):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{CODES[status]}"}
