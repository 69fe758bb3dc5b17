"""How long each provider asks us to wait: where its responses say so, in which unit, and the longest wait. Pure.

`WAITS` has a row for every type of channel. Providers without fields of their own have the standard header only.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from app.domain.parsing import untrusted_json

MAX_WAIT_S = 3_600.0  # a receiver may slow us down, not stop us
_QUOTED_WAIT = re.compile(r"""\b(?:wait|retry after) "?(\d{1,9})(?:\.\d+)?"? seconds?\b""", re.IGNORECASE)

Unit = Callable[[object, datetime], float | None]  # a value and the current time → seconds to wait; None: no number


def seconds(value: object, now: datetime) -> float | None:  # noqa: ARG001  # the signature of Unit
    """A number of seconds."""
    return _number(value)


def milliseconds(value: object, now: datetime) -> float | None:  # noqa: ARG001  # the signature of Unit
    """A number of milliseconds."""
    number = _number(value)
    return None if number is None else number / 1_000


def discord_seconds(value: object, now: datetime) -> float | None:  # noqa: ARG001  # the signature of Unit
    """A number of seconds; above a minute, of milliseconds, since no limit of a webhook of Discord's is that long."""
    number = _number(value)
    return number / 1_000 if number is not None and number > DISCORD_WINDOW_S else number


def epoch_seconds(value: object, now: datetime) -> float | None:
    """An instant in seconds since 1970."""
    number = _number(value)
    return None if number is None else number - now.timestamp()


def seconds_or_date(value: object, now: datetime) -> float | None:
    """A number of seconds or an HTTP date (RFC 9110, 10.2.3)."""
    number = _number(value)
    if number is not None or not isinstance(value, str):
        return number
    try:
        at = parsedate_to_datetime(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, OverflowError):
        return None


def protobuf_duration(value: object, now: datetime) -> float | None:  # noqa: ARG001  # the signature of Unit
    """A `google.protobuf.Duration` in JSON: `1.5s`."""
    return _number(value[:-1]) if isinstance(value, str) and value.endswith("s") else None


def quoted_seconds(value: object, now: datetime) -> float | None:  # noqa: ARG001  # the signature of Unit
    """A number of seconds within a sentence: `…, or wait "60" seconds`."""
    found = _QUOTED_WAIT.search(value) if isinstance(value, str) else None
    return float(found.group(1)) if found else None


class WaitField(Struct, frozen=True):
    """A place in a response that may say how long to wait.

    unit       how its value is read
    header     name of a header; empty: it is in the JSON body
    path       names of members of the body, `*` for each element of a list
    is_limit   it describes a rate limit and is part of other responses too: it counts with 429 only
    """

    unit: Unit
    header: str = ""
    path: tuple[str, ...] = ()
    is_limit: bool = False


RETRY_AFTER = WaitField(seconds_or_date, header="Retry-After")


class WaitRule(Struct, frozen=True):
    """What a provider's responses say about waiting.

    fields  the first that has a value counts; `RETRY_AFTER` is read after them
    max_s   no longer wait is believed: small where the provider's own limits are
    """

    fields: tuple[WaitField, ...] = ()
    max_s: float = MAX_WAIT_S


STANDARD = WaitRule()  # `Retry-After` only
DISCORD_WINDOW_S = 60  # a webhook may be called 5 times in 2 s and 30 times in 60 s
WAITS: dict[str, WaitRule] = {
    "webhook": STANDARD,
    # SMTP has no field for it: 4xx means later (RFC 5321, 4.2.1).
    "smtp": STANDARD,
    # One message a second. Source: docs.slack.dev/apis/web-api/rate-limits
    "slack": WaitRule(max_s=120),
    # `Reset-After` is always seconds. `retry_after` was milliseconds before version 8, and is at addresses without a
    # version (discord-api-docs#2360, #4722). Source: docs.discord.com/developers/topics/rate-limits
    "discord": WaitRule(
        (
            WaitField(seconds, header="X-RateLimit-Reset-After", is_limit=True),
            WaitField(discord_seconds, path=("retry_after",)),
        ),
        max_s=600,  # Cloudflare's, in front of Discord, are longer than Discord's own
    ),
    # Source: core.telegram.org/bots/api#responseparameters
    "telegram": WaitRule((WaitField(seconds, path=("parameters", "retry_after")),)),
    # Nothing of its own (ntfy#1173); a daily quota ends at midnight.
    "ntfy": STANDARD,
    # No limits of its own; a proxy before it may have some.
    "gotify": STANDARD,
    # The end of the month, whose quota is used up; somebody may buy more. Source: pushover.net/api#limits
    "pushover": WaitRule((WaitField(epoch_seconds, header="X-Limit-App-Reset", is_limit=True),), max_s=600),
    # Since version 1.10 also `Retry-After`. Source: spec.matrix.org, client-server API, rate limiting
    "matrix": WaitRule((WaitField(milliseconds, path=("retry_after_ms",)),), max_s=600),
    # 10 requests a second by default. `X-Ratelimit-Reset` has seconds too, as `Retry-After`.
    "mattermost": WaitRule((WaitField(seconds, header="X-Ratelimit-Reset", is_limit=True),), max_s=60),
    # Power Automate: `Retry-After`. Source: learn.microsoft.com/power-automate/limits-and-config
    "teams": STANDARD,
    # One message a second to a space, 60 a minute. Source: google.rpc.RetryInfo (cloud.google.com/apis/design/errors)
    "google_chat": WaitRule((WaitField(protobuf_duration, path=("error", "details", "*", "retryDelay")),), max_s=120),
    # A sentence of signal-cli's: `CAPTCHA proof required …, or wait "86400" seconds`; "-1" says nothing.
    "signal": WaitRule((WaitField(quoted_seconds, path=("error",)),)),
    # Only codes (45009: 20 messages a minute, then 10 minutes of none). Source: developer.work.weixin.qq.com/document
    "wecom": WaitRule(max_s=600),
    # WAHA has no limits of its own.
    "whatsapp": STANDARD,
    # Says nothing. Source: developers.line.biz/en/docs/messaging-api/handling-http-429-errors
    "line": STANDARD,
    # Source: docs.pushbullet.com/#ratelimiting
    "pushbullet": WaitRule((WaitField(epoch_seconds, header="X-Ratelimit-Reset", is_limit=True),), max_s=600),
    # 300 alerts in 5 minutes. Source: grafana.com/docs/oncall/latest/oncall-api-reference
    "grafana_oncall": WaitRule(max_s=300),
    # The window of the limit, a minute. Source: docs.opsgenie.com/docs/api-rate-limiting
    "opsgenie": WaitRule((WaitField(seconds, header="X-RateLimit-Period-In-Sec", is_limit=True),), max_s=120),
    # 120 events a minute. Source: developer.pagerduty.com/docs/events-api-v2/overview
    "pagerduty": WaitRule(max_s=120),
    # Says nothing.
    "pagertree": STANDARD,
    # Too many requests at once: "a short period of time". Source: twilio.com/docs/api/errors/20429
    "twilio": WaitRule(max_s=60),
    # Source: twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/rate-limits
    "sendgrid": WaitRule((WaitField(epoch_seconds, header="X-RateLimit-Reset", is_limit=True),), max_s=600),
    # Source: RFC 8030, 8.4
    "webpush": STANDARD,
    # By the service: see `rule_for_service`.
    "apprise": STANDARD,
}
_SERVICE_TYPES = {"signal_api": "signal", "wecombot": "wecom"}  # modules whose name is not the type's


def rule_for_service(module: str) -> WaitRule:
    """The rule for a service of Apprise's, by its module: that of our own type when it calls the same API."""
    return WAITS.get(_SERVICE_TYPES.get(module, module), STANDARD)


def parse_wait(
    rule: WaitRule, status: int, headers: Mapping[str, str], body: bytes, now: datetime | None = None
) -> float | None:
    """Seconds to wait, from 0 to the rule's maximum; None: the response does not say.

    headers    whose names ignore case
    """
    now = now or datetime.now(UTC)
    fields = json_object(body) if any(field.path for field in rule.fields) else {}
    for field in (*rule.fields, RETRY_AFTER):
        if field.is_limit and status != HTTPStatus.TOO_MANY_REQUESTS:
            continue
        for value in (headers.get(field.header),) if field.header else _values_at(fields, field.path):
            wait_s = field.unit(value, now)
            if wait_s is not None and math.isfinite(wait_s):
                return min(max(wait_s, 0.0), rule.max_s)
    return None


def _values_at(value: object, path: tuple[str, ...]) -> Iterator[object]:
    if not path:
        yield value
    elif path[0] == "*":
        for element in value if isinstance(value, list) else []:
            yield from _values_at(element, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _values_at(value[path[0]], path[1:])


def _number(value: object) -> float | None:
    """A finite number, or the text of one."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):  # no number, or an integer too large for a float
        return None
    return number if math.isfinite(number) else None


def json_object(body: bytes) -> dict[str, Any]:
    """A response body as a JSON object; empty for anything else."""
    try:
        value = untrusted_json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
