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
    400: "The request is malformed.",
    401: "No credentials, or invalid or expired ones.",
    403: "Signed in, but not allowed to do this.",
    404: "There is no such resource.",
    408: "The body did not arrive in time.",
    409: "The request conflicts with the current state, or with another resource.",
    412: "`If-Match` names an older version than the stored one.",
    413: "The body is larger than 1,000,000 bytes.",
    415: "The media type, content coding or charset of the body is not supported here.",
    422: "Some fields are invalid. `details.fields` lists the first 50.",
    429: "Too many requests. Wait the seconds in `Retry-After`.",
    500: "Internal error. The server log has the details under the request id.",
    502: "An external service did not respond, or rejected the request.",
    503: "Temporarily unavailable. Nothing was changed; try again later.",
    504: "The request took too long and was cancelled. Part of it may be done.",
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
