"""What a probe can say: seen, failed, or unsure. Anything else it raises is a bug of ours."""

from typing import Any

from msgspec import Struct

from app.domain.parsing.values import ABSENT, Scalar
from schema.status import Status

# What a library that speaks with a target raises when the target speaks something else: besides errors of its own, what
# its code happens to run into. Only around a library's calls, for of our own code these are faults.
PARSE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    LookupError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
)


class ProbeResult(Struct, frozen=True):
    """The target answered.

    status    UP or DEGRADED from a probe; DOWN and UNKNOWN once `outcome_of` has caught what it raised
    code      a usual message as a number (`schema.heartbeat_texts`)
    value     what was read, for assertions: a query's first field, a JSON path's hit, a payload; as the target has it
    certificate_days    until the certificate ends, when there is one
    look_ms   when the answer may be another one, before the next slot; PENDING (late) comes with it
    """

    status: Status = Status.UP
    code: int = 0
    message: str = ""
    detail: dict[str, Any] | None = None
    value: Scalar = ABSENT
    certificate_days: float | None = None
    recheck_ms: int = 0


class TargetFailed(Exception):  # noqa: N818  # a fact about the target
    """The target said no, or said nothing. The reason is what people read at 3 a.m."""

    def __init__(self, reason: str, *, code: int = 0, detail: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.code, self.detail = code, detail


class CheckInconclusive(Exception):  # noqa: N818  # a fact about us
    """We could not ask, so we don't know: never the target's failure.

    network    it was our names or routes that kept us from asking
    """

    def __init__(self, reason: str, *, network: bool = False) -> None:
        super().__init__(reason)
        self.network = network
