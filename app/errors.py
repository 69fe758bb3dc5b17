"""Requests that we refuse: one exception class for each reason, with a status and a code.

Refusal                 400  BAD_REQUEST
├── Malformed           400  BAD_REQUEST           not JSON, wrong encoding
├── Unauthorized        401  UNAUTHORIZED          no or unknown credentials
│   └── TwoFactorRequired  401  TWO_FACTOR_REQUIRED  the password was right; a second factor is required
├── Forbidden           403  FORBIDDEN             signed in, without the required role
├── NotFound            404  NOT_FOUND             no such route
│   └── NoSuch          404  RESOURCE_NOT_FOUND    details: resource, id
├── LateBody            408  REQUEST_TIMEOUT       the body did not arrive
├── Conflict            409  CONFLICT              it conflicts with another resource
├── Stale               412  PRECONDITION_FAILED   If-Match named an older version
├── Invalid             422  VALIDATION_ERROR      details.fields: the wrong fields, 50 at most
├── TooMany             429  RATE_LIMITED          retry_after
├── Upstream            502  BAD_GATEWAY           an upstream service did not respond
├── Unavailable         503  SERVICE_UNAVAILABLE   temporarily unavailable; nothing was changed
└── TookTooLong         504  GATEWAY_TIMEOUT       it took too long; part of it may be done

Everything else that escapes a handler is our bug: 500 INTERNAL_ERROR, logged once with its traceback.
"""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from schema.errors import FieldError


class Refusal(Exception):  # noqa: N818  # a refusal is no bug
    """A request that we understood and refuse. The caller can act on it."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "BAD_REQUEST"

    def __init__(self, message: str, *, retry_after_s: int | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


class Malformed(Refusal):
    """The body can't be parsed."""


class Unauthorized(Refusal):
    """No credentials, or invalid or expired ones."""

    status, code = 401, "UNAUTHORIZED"


class TwoFactorRequired(Unauthorized):
    """The password was right, and the user has a second factor."""

    code = "TWO_FACTOR_REQUIRED"


class Forbidden(Refusal):
    """Signed in, without the required role."""

    status, code = 403, "FORBIDDEN"


class NotFound(Refusal):
    """There is no such route."""

    status, code = 404, "NOT_FOUND"


class NoSuch(NotFound):
    """There is no such resource."""

    code = "RESOURCE_NOT_FOUND"

    def __init__(self, resource: str, id_: str) -> None:
        super().__init__(f"There is no {resource} {id_!r}.", resource=resource, id=id_)


class LateBody(Refusal):
    """The caller started to send a body and did not finish."""

    status, code = 408, "REQUEST_TIMEOUT"


class Conflict(Refusal):
    """The request conflicts with another resource."""

    status, code = 409, "CONFLICT"


class Stale(Refusal):
    """The caller's copy is out of date."""

    status, code = 412, "PRECONDITION_FAILED"


class Invalid(Refusal):
    """All invalid fields, each with what would be right."""

    status, code = 422, "VALIDATION_ERROR"

    def __init__(self, fields: Sequence[FieldError]) -> None:
        super().__init__(
            "Request validation failed", fields=[{"field": one.field, "message": one.message} for one in fields]
        )
        self.fields = list(fields)

    @classmethod
    def for_field(cls, field: str, message: str) -> "Invalid":
        """A single invalid field."""
        return cls([FieldError(field, message)])


def require_known(field: str, ids: Sequence[str], known: Collection[str], message: str) -> None:
    """Raise Invalid for the ids of a list that are not known, each by its position."""
    if errors := [FieldError(f"{field}.{number}", message) for number, id_ in enumerate(ids) if id_ not in known]:
        raise Invalid(errors)


class TooMany(Refusal):
    """Too many requests: retry later."""

    status, code = 429, "RATE_LIMITED"


class TookTooLong(Refusal):
    """The request exceeded our own timeout."""

    status, code = 504, "GATEWAY_TIMEOUT"


class Upstream(Refusal):
    """An upstream service did not respond."""

    status, code = 502, "BAD_GATEWAY"


class Unavailable(Refusal):
    """Temporarily unavailable; nothing was changed."""

    status, code = 503, "SERVICE_UNAVAILABLE"
