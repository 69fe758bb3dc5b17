"""What a probe returns or raises: a result, a failed target, or an inconclusive check. Anything else is a bug."""

from typing import Any

from msgspec import Struct

from app.domain.parsing.values import ABSENT, Scalar
from schema.status import Status

# What a protocol library raises when the target speaks something else: besides its own errors, whatever its code runs
# into. Catch these only around a library's calls; in our own code they are bugs.
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
    """The target responded.

    status    UP or DEGRADED from a probe; DOWN and UNKNOWN once `run_probe` has caught what it raised
    code      a common message as a number (`schema.heartbeat_texts`)
    value     for assertions: a query's first field, a JSON path's value, a payload; of the target's own type
    certificate_days    until the certificate expires, if there is one
    recheck_ms    when the result may change before the next slot; PENDING (late) has one
    """

    status: Status = Status.UP
    code: int = 0
    message: str = ""
    detail: dict[str, Any] | None = None
    value: Scalar = ABSENT
    certificate_days: float | None = None
    recheck_ms: int = 0


class TargetFailed(Exception):  # noqa: N818  # about the target
    """The target failed or did not respond. People read the reason in the alert."""

    def __init__(self, reason: str, *, code: int = 0, detail: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.code, self.detail = code, detail


class CheckInconclusive(Exception):  # noqa: N818  # about us
    """We could not check, so the status is unknown: never the target's failure.

    network    our DNS or routes kept us from checking
    """

    def __init__(self, reason: str, *, network: bool = False) -> None:
        super().__init__(reason)
        self.network = network
