"""The one shape every refusal has."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class FieldError(Struct, frozen=True):
    """Which field is wrong, and what would be right."""

    field: str
    message: str


class ErrorBody(Struct, frozen=True, kw_only=True):
    """Inside of `error`."""

    code: str
    message: str
    details: dict[str, Any] = {}
    timestamp: datetime
    request_id: str
    retry_after: int | UnsetType = UNSET


class ErrorReply(Struct, frozen=True):
    """The whole reply: `{"error": {...}}`."""

    error: ErrorBody
