"""The one shape of every error response."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class FieldError(Struct, frozen=True):
    """Which field is invalid, and what it must be."""

    field: str
    message: str


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The object under `error`."""

    code: str
    message: str
    details: dict[str, Any] = {}
    timestamp: datetime
    request_id: str
    retry_after: int | UnsetType = UNSET


class ErrorReply(Struct, frozen=True):
    """The whole response: `{"error": {...}}`."""

    error: ErrorBody
