"""Parses how long a receiver asks us to wait, at most `MAX_WAIT_S`. Pure."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.domain.parsing import untrusted_json

MAX_WAIT_S = 3_600.0  # a receiver may slow us down, not stop us


def parse_retry_after(header: str, body: bytes, now: datetime) -> float | None:
    """Seconds to wait, from the body if a provider puts it there, else from the header; None: neither has it.

    header    `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3)
    body      Discord: `retry_after`; Telegram: `parameters.retry_after`; both in seconds.
              Matrix: `retry_after_ms`
    """
    for wait_s in (_from_body(body), _from_seconds(header), _from_date(header, now)):
        if wait_s is not None:
            return min(max(wait_s, 0.0), MAX_WAIT_S)
    return None


def _from_body(body: bytes) -> float | None:
    fields = json_object(body)
    parameters = fields.get("parameters")
    inner = parameters if isinstance(parameters, dict) else {}
    for value, per_s in (
        (fields.get("retry_after"), 1),
        (inner.get("retry_after"), 1),
        (fields.get("retry_after_ms"), 1_000),
    ):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _finite(value, per_s)
    return None


def _from_seconds(header: str) -> float | None:
    try:
        return _finite(float(header))
    except ValueError:
        return None


def _from_date(header: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(header)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, OverflowError):
        return None


def _finite(value: float, per_s: int = 1) -> float | None:
    try:
        seconds = float(value) / per_s
    except OverflowError:  # an integer too large for a float
        return None
    return seconds if math.isfinite(seconds) else None


def json_object(body: bytes) -> dict[str, Any]:
    """A response body as a JSON object; empty for anything else."""
    try:
        value = untrusted_json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
