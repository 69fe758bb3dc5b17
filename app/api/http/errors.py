"""Error responses: every error on every path is sent as `schema.errors.ErrorReply`."""

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
from app.security.limits.rejections import REJECTED
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
MESSAGES = {405: "This path does not support this method.", 413: "The body is larger than 1,000,000 bytes."}
_PARAMETER_NAME = re.compile(r"parameter '?([\w-]+)'?")

log = structlog.get_logger()
AnyRequest = Request[Any, Any, Any]
ErrorResponse = Response[ErrorReply]


def error_response(request: AnyRequest, refusal: Refusal, headers: Mapping[str, str] | None = None) -> ErrorResponse:
    """The response to a refused request."""
    body = error_body(refusal, request_id_of(request))
    return _build_response(request, refusal.status, body, _error_headers(refusal, headers))


def error_body(refusal: Refusal, request_id: str) -> ErrorBody:
    """The value of `error` in the response; WebSockets send it as well."""
    return ErrorBody(
        code=refusal.code,
        message=refusal.message,
        details=refusal.details,
        timestamp=datetime.now(UTC),
        request_id=request_id,
        retry_after=msgspec.UNSET if refusal.retry_after_s is None else refusal.retry_after_s,
    )


def request_id_of(request: AnyRequest) -> str:
    """The id that `app.api.http.request_context` gave this request."""
    return str(request.scope["state"].get("request_id", ""))


def _error_headers(refusal: Refusal, given: Mapping[str, str] | None) -> dict[str, str]:
    headers = dict(given or {})
    if isinstance(refusal, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return headers


def _build_response(request: AnyRequest, status: int, error: ErrorBody, headers: dict[str, str]) -> ErrorResponse:
    request.scope["state"]["error_code"] = error.code
    return Response(ErrorReply(error), status_code=status, headers=headers, media_type=MediaType.JSON)


def on_refusal(request: AnyRequest, refusal: Refusal) -> ErrorResponse:
    """A request that we understood and refuse."""
    return error_response(request, refusal)


def on_http(request: AnyRequest, error: HTTPException) -> ErrorResponse:
    """A request that Litestar refuses itself: unknown route or method, body too large."""
    if isinstance(error, InternalServerException):
        return on_bug(request, error)
    if isinstance(error, NotFoundException):
        return error_response(request, NotFound(f"There is no {request.method} {request.url.path}."))
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        REJECTED.labels("size").inc()
    message = MESSAGES.get(error.status_code, error.detail)
    body = ErrorBody(
        code=CODES.get(error.status_code, "BAD_REQUEST"),
        message=message,
        timestamp=datetime.now(UTC),
        request_id=request_id_of(request),
    )
    return _build_response(request, error.status_code, body, dict(error.headers or {}))


def on_client(request: AnyRequest, error: ClientException) -> ErrorResponse:
    """A request that Litestar could not read."""
    if type(error) is ClientException:
        return error_response(request, Malformed(error.detail))
    return on_http(request, error)


def on_parameters(request: AnyRequest, error: ValidationException) -> ErrorResponse:
    """Path or query parameters that are missing or wrong, or a missing body."""
    reported = [one for one in error.extra if isinstance(one, dict)] if isinstance(error.extra, list) else []
    fields = [_parameter_error(request, one) for one in reported]
    if any(one.field == "data" for one in fields) or "required field `data`" in str(reported):
        return error_response(request, Malformed("This request needs a JSON body."))
    if not fields:
        match = _PARAMETER_NAME.search(error.detail)
        fields = [FieldError(match.group(1) if match else "", "is required")]
    return error_response(request, Invalid(fields))


def _parameter_error(request: AnyRequest, reported: dict[str, Any]) -> FieldError:
    """Litestar's error about a parameter as ours: the name on the wire, and what would be valid."""
    name = str(reported.get("key", ""))
    model = _declaring_model(request, name)
    if model is None:
        return FieldError(name, str(reported.get("message", "is not valid")))
    kwarg = model._fields[name].kwarg_definition
    alias = getattr(kwarg, "query", None) or getattr(kwarg, "name", None) if isinstance(kwarg, ParameterKwarg) else None
    return FieldError(alias or name, wording.requirement(model.__annotations__[name]))


def _declaring_model(request: AnyRequest, name: str) -> Any:
    """Litestar's model of the handler or dependency that declares a parameter; None when none does."""
    handler = request.route_handler
    models = [handler.signature_model, *(one.signature_model for one in handler.resolve_dependencies().values())]
    return next((model for model in models if name in model._fields), None)


def on_unavailable(request: AnyRequest, error: Exception) -> ErrorResponse:
    """The database or Redis is unavailable: a warning for the operator, and a retry for the caller."""
    part = "queue" if isinstance(error, RedisError) else "database"
    log.warning("http.dependency_unavailable", part=part, error=type(error).__name__, reason=str(error))
    return error_response(request, Unavailable(f"The {part} is not responding; nothing was changed.", retry_after_s=5))


def on_bug(request: AnyRequest, error: Exception) -> ErrorResponse:
    """Our bug: one log entry with the traceback, which the response does not show."""
    log.error("http.crashed", path=request.scope.get("path_template", ""), exc_info=error)
    body = ErrorBody(
        code="INTERNAL_ERROR",
        message="Internal error. The server log has the details under this request id.",
        timestamp=datetime.now(UTC),
        request_id=request_id_of(request),
    )
    return _build_response(request, 500, body, {})


HANDLERS: ExceptionHandlersMap = {
    Refusal: on_refusal,
    ValidationException: on_parameters,
    ClientException: on_client,
    HTTPException: on_http,
    RedisError: on_unavailable,
    **dict.fromkeys(db.TRANSIENT_ERRORS, on_unavailable),
    Exception: on_bug,
}
