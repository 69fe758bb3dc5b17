"""What we refuse, each refusal a named fact with a status and a code.

Refusal                 400  BAD_REQUEST
├── Malformed           400  BAD_REQUEST           not JSON, wrong encoding
├── Unauthorized        401  UNAUTHORIZED          nobody, or nobody we know
│   └── TwoFactorRequired  401  TWO_FACTOR_REQUIRED  the password was right; a second factor is wanted
├── Forbidden           403  FORBIDDEN             somebody, without the role for it
├── NotFound            404  NOT_FOUND             no such route
│   └── NoSuch          404  RESOURCE_NOT_FOUND    details: resource, id
├── LateBody            408  REQUEST_TIMEOUT       the body did not arrive
├── Conflict            409  CONFLICT              another one is in the way
├── Stale               412  PRECONDITION_FAILED   If-Match named an older version
├── Invalid             422  VALIDATION_ERROR      details.fields: the wrong fields, 50 at most
├── TooMany             429  RATE_LIMITED          retry_after
├── Upstream            502  BAD_GATEWAY           somebody we asked did not answer
├── Unavailable         503  SERVICE_UNAVAILABLE   we can't just now; nothing was changed
└── TookTooLong         504  GATEWAY_TIMEOUT       we gave it up; part of it may be done

Everything else that escapes a handler is our bug: 500 INTERNAL_ERROR, logged once with its traceback.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from schema.errors import FieldError


class Refusal(Exception):  # noqa: N818  # a refusal is no error of ours
    """A request we understood and will not carry out. The caller can act on it."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "BAD_REQUEST"

    def __init__(self, message: str, *, retry_after_s: int | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_s = retry_after_s


class Malformed(Refusal):
    """The body can't be read at all."""


class Unauthorized(Refusal):
    """Nobody signed in, or with something that is not valid (any more)."""

    status, code = 401, "UNAUTHORIZED"


class TwoFactorRequired(Unauthorized):
    """The password was right, and the user has a second factor."""

    code = "TWO_FACTOR_REQUIRED"


class Forbidden(Refusal):
    """Signed in, without the role for it."""

    status, code = 403, "FORBIDDEN"


class NotFound(Refusal):
    """There is no such route."""

    status, code = 404, "NOT_FOUND"


class NoSuch(NotFound):
    """There is no such thing."""

    code = "RESOURCE_NOT_FOUND"

    def __init__(self, resource: str, id_: str) -> None:
        super().__init__(f"There is no {resource} {id_!r}.", resource=resource, id=id_)


class LateBody(Refusal):
    """The caller began to send a body and did not finish it."""

    status, code = 408, "REQUEST_TIMEOUT"


class Conflict(Refusal):
    """Another thing is in the way."""

    status, code = 409, "CONFLICT"


class Stale(Refusal):
    """The caller's copy is older than ours."""

    status, code = 412, "PRECONDITION_FAILED"


class Invalid(Refusal):
    """Fields that are wrong: all of them, each with what would be right."""

    status, code = 422, "VALIDATION_ERROR"

    def __init__(self, fields: Sequence[FieldError]) -> None:
        super().__init__(
            "Request validation failed", fields=[{"field": one.field, "message": one.message} for one in fields]
        )
        self.fields = list(fields)

    @classmethod
    def for_field(cls, field: str, message: str) -> "Invalid":
        """A single wrong field."""
        return cls([FieldError(field, message)])


class TooMany(Refusal):
    """Come back later."""

    status, code = 429, "RATE_LIMITED"


class TookTooLong(Refusal):
    """Our own time is over: nobody waits for an answer that long."""

    status, code = 504, "GATEWAY_TIMEOUT"


class Upstream(Refusal):
    """Somebody we had to ask did not answer."""

    status, code = 502, "BAD_GATEWAY"


class Unavailable(Refusal):
    """We can't do it just now; nothing was changed."""

    status, code = 503, "SERVICE_UNAVAILABLE"
