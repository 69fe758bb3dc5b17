"""How long a receiver asks us to wait. Pure; whatever it says, no answer waits longer than `LONGEST_S`."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from app.domain.parsing import untrusted_json

MAX_WAIT_S = 3_600.0  # a receiver may slow us down, not silence us


def parse_retry_after(header: str, body: bytes, now: datetime) -> float | None:
    """Seconds to wait, from the body where a provider puts it there, else from the header; None when neither says it.

    header    `Retry-After`: seconds or an HTTP date (RFC 9110, 10.2.3)
    body      Discord: `retry_after`; Telegram: `parameters.retry_after`; both in seconds.
              Matrix: `retry_after_ms`
    """
    for said in (_from_body(body), _from_seconds(header), _from_date(header, now)):
        if said is not None:
            return min(max(said, 0.0), MAX_WAIT_S)
    return None


def _from_body(body: bytes) -> float | None:
    answer = json_object(body)
    parameters = answer.get("parameters")
    inner = parameters if isinstance(parameters, dict) else {}
    for said, per_s in (
        (answer.get("retry_after"), 1),
        (inner.get("retry_after"), 1),
        (answer.get("retry_after_ms"), 1_000),
    ):
        if isinstance(said, int | float) and not isinstance(said, bool):
            return _finite(said, per_s)
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


def _finite(said: float, per_s: int = 1) -> float | None:
    try:
        seconds = float(said) / per_s
    except OverflowError:  # a whole number that no float holds
        return None
    return seconds if math.isfinite(seconds) else None


def json_object(body: bytes) -> dict[str, Any]:
    """An answer's JSON object; empty for everything else, since receivers answer with anything."""
    try:
        answer = untrusted_json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
