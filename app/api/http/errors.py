"""Refusals, told: every error on every path leaves in one shape, `schema.errors.ErrorReply`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    NotFoundException,
    ValidationException,
)
from litestar.params import ParameterKwarg
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE
from litestar.types import ExceptionHandlersMap
from redis.exceptions import RedisError

from app import db
from app.domain.validation import wording
from app.errors import Invalid, Malformed, NotFound, Refusal, Unauthorized, Unavailable
from app.security.limits.rejections import REFUSED
from schema.errors import ErrorBody, ErrorReply, FieldError

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_ERROR",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
}
SENTENCES = {405: "This path does not take this method.", 413: "The body is larger than 1,000,000 bytes."}
_NAMED = re.compile(r"parameter '?([\w-]+)'?")

log = structlog.get_logger()
AnyRequest = Request[Any, Any, Any]
Reply = Response[ErrorReply]


def reply(request: AnyRequest, refusal: Refusal, headers: Mapping[str, str] | None = None) -> Reply:
    """A refusal in the one shape."""
    return _reply(request, refusal.status, error_of(refusal, request_id_of(request)), _headers(refusal, headers))


def error_of(refusal: Refusal, request_id: str) -> ErrorBody:
    """The inside of `error`; also what a WebSocket sends."""
    return ErrorBody(
        code=refusal.code,
        message=refusal.message,
        details=refusal.details,
        timestamp=datetime.now(UTC),
        request_id=request_id,
        retry_after=msgspec.UNSET if refusal.retry_after_s is None else refusal.retry_after_s,
    )


def request_id_of(request: AnyRequest) -> str:
    """The id `app.api.http.request_context` gave this request."""
    return str(request.scope["state"].get("request_id", ""))


def _headers(refusal: Refusal, given: Mapping[str, str] | None) -> dict[str, str]:
    headers = dict(given or {})
    if isinstance(refusal, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return headers


def _reply(request: AnyRequest, status: int, error: ErrorBody, headers: dict[str, str]) -> Reply:
    request.scope["state"]["error_code"] = error.code
    return Response(ErrorReply(error), status_code=status, headers=headers, media_type=MediaType.JSON)


def on_refusal(request: AnyRequest, refusal: Refusal) -> Reply:
    """We understood, and will not."""
    return reply(request, refusal)


def on_http(request: AnyRequest, error: HTTPException) -> Reply:
    """What Litestar refuses by itself: no such route or method, a body too large."""
    if isinstance(error, InternalServerException):
        return on_bug(request, error)
    if isinstance(error, NotFoundException):
        return reply(request, NotFound(f"There is no {request.method} {request.url.path}."))
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        REFUSED.labels("size").inc()
    message = SENTENCES.get(error.status_code, error.detail)
    body = ErrorBody(
        code=CODES.get(error.status_code, "BAD_REQUEST"),
        message=message,
        timestamp=datetime.now(UTC),
        request_id=request_id_of(request),
    )
    return _reply(request, error.status_code, body, dict(error.headers or {}))


def on_client(request: AnyRequest, error: ClientException) -> Reply:
    """A request Litestar could not read."""
    return reply(request, Malformed(error.detail)) if type(error) is ClientException else on_http(request, error)


def on_parameters(request: AnyRequest, error: ValidationException) -> Reply:
    """Path and query parameters that are missing or wrong; a body that is not there."""
    told = [one for one in error.extra if isinstance(one, dict)] if isinstance(error.extra, list) else []
    fields = [_field(request, one) for one in told]
    if any(one.field == "data" for one in fields) or "required field `data`" in str(told):
        return reply(request, Malformed("A JSON body is needed."))
    if not fields:
        named = _NAMED.search(error.detail)
        fields = [FieldError(named.group(1) if named else "", "is required")]
    return reply(request, Invalid(fields))


def _field(request: AnyRequest, told: dict[str, Any]) -> FieldError:
    """Litestar's word on a parameter as ours: the name on the wire, and what would be right."""
    name = str(told.get("key", ""))
    model = _declaring(request, name)
    if model is None:
        return FieldError(name, str(told.get("message", "is not valid")))
    kwarg = model._fields[name].kwarg_definition
    alias = getattr(kwarg, "query", None) or getattr(kwarg, "name", None) if isinstance(kwarg, ParameterKwarg) else None
    return FieldError(alias or name, wording.wanted(model.__annotations__[name]))


def _declaring(request: AnyRequest, name: str) -> Any:
    """Litestar's model of the handler, or of the dependency, that declares a parameter; None when none does."""
    handler = request.route_handler
    models = [handler.signature_model, *(one.signature_model for one in handler.resolve_dependencies().values())]
    return next((model for model in models if name in model._fields), None)


def on_trouble(request: AnyRequest, error: Exception) -> Reply:
    """The database or Redis is away: the operator's matter, and the caller's to try again."""
    which = "queue" if isinstance(error, RedisError) else "database"
    log.warning("http.unavailable", part=which, error=type(error).__name__, reason=str(error))
    return reply(request, Unavailable(f"The {which} does not answer; nothing was changed.", retry_after_s=5))


def on_bug(request: AnyRequest, error: Exception) -> Reply:
    """Our bug: one log entry with the traceback, and nothing of it in the reply."""
    log.error("http.failed", path=request.scope.get("path_template", ""), exc_info=error)
    body = ErrorBody(
        code="INTERNAL_ERROR",
        message="Something went wrong on our side; the request id finds it in the log.",
        timestamp=datetime.now(UTC),
        request_id=request_id_of(request),
    )
    return _reply(request, 500, body, {})


HANDLERS: ExceptionHandlersMap = {
    Refusal: on_refusal,
    ValidationException: on_parameters,
    ClientException: on_client,
    HTTPException: on_http,
    RedisError: on_trouble,
    **dict.fromkeys(db.TROUBLE, on_trouble),
    Exception: on_bug,
}
