"""Reading how long a response asks us to wait."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given as for_any, strategies as st
from multidict import CIMultiDict

from actors.senders.kit.retry_after import MAX_WAIT_S, STANDARD, WAITS, parse_wait, rule_for_service
from schema.channels import PROVIDERS
from tests.actors.senders.sample_messages import AT

NOW_S = int(AT.timestamp())


def wait_of(provider: str, headers: dict[str, str], body: bytes = b"", status: int = 429) -> float | None:
    return parse_wait(WAITS[provider], status, CIMultiDict(headers), body, AT)


def test_every_type_of_channel_has_a_rule() -> None:
    assert set(WAITS) == set(PROVIDERS)
    assert all(0 < rule.max_s <= MAX_WAIT_S for rule in WAITS.values())


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("", None),
        ("7", 7.0),
        ("0", 0.0),
        ("0.65", 0.65),
        ("-5", 0.0),
        ("999999", MAX_WAIT_S),
        (format_datetime(AT + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(AT - timedelta(days=1), usegmt=True), 0.0),
        ("Sun Nov 22 12:00:30 2026", 30.0),
        ("soon", None),
        ("nan", None),
        ("1e999", None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
    ],
)
def test_the_standard_header_is_a_number_of_seconds_or_a_date(header: str, wait_s: float | None) -> None:
    assert wait_of("webhook", {"Retry-After": header}, status=503) == wait_s


@pytest.mark.parametrize(
    ("provider", "headers", "body", "wait_s"),
    [
        ("discord", {"X-RateLimit-Reset-After": "1.5", "Retry-After": "1500"}, b'{"retry_after":1500}', 1.5),
        ("discord", {"Retry-After": "1500"}, b'{"retry_after":1500,"global":false}', 1.5),
        ("discord", {"Retry-After": "1"}, b'{"retry_after":0.65,"global":false}', 0.65),
        ("discord", {"Retry-After": "42"}, b"error code: 1015", 42.0),
        ("telegram", {}, b'{"ok":false,"error_code":429,"parameters":{"retry_after":31}}', 31.0),
        ("matrix", {}, b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}', 2.5),
        ("matrix", {"Retry-After": "3"}, b'{"errcode":"M_LIMIT_EXCEEDED"}', 3.0),
        ("google_chat", {}, b'{"error":{"details":[{"reason":"x"},{"retryDelay":"1.5s"}]}}', 1.5),
        ("google_chat", {}, b'{"error":{"details":[{"retryDelay":"soon"}]}}', None),
        ("signal", {}, b'{"error":"CAPTCHA proof required, or wait \\"75\\" seconds."}', 75.0),
        ("signal", {}, b'{"error":"CAPTCHA proof required, or wait \\"-1\\" seconds."}', None),
        ("signal", {}, b'{"error":"Rate limited. Retry after 12 seconds"}', 12.0),
        ("sendgrid", {"X-RateLimit-Reset": str(NOW_S + 40)}, b"", 40.0),
        ("pushbullet", {"X-Ratelimit-Reset": str(NOW_S + 40)}, b"", 40.0),
        ("pushover", {"X-Limit-App-Reset": str(NOW_S + 90)}, b"", 90.0),
        ("mattermost", {"X-Ratelimit-Reset": "1", "Retry-After": "1"}, b"", 1.0),
        ("opsgenie", {"X-RateLimit-Period-In-Sec": "60"}, b"", 60.0),
        ("slack", {"Retry-After": "30"}, b"", 30.0),
        # a field of another provider means nothing
        ("slack", {"Retry-After": "5"}, b'{"retry_after":9}', 5.0),
        ("webhook", {"X-RateLimit-Reset-After": "9"}, b'{"parameters":{"retry_after":9}}', None),
        # what is no number leaves the standard header
        *(
            ("telegram", {"Retry-After": "5"}, body, 5.0)
            for body in (
                b'{"parameters":{"retry_after":1' + b"0" * 400 + b"}}",
                b'{"parameters":{"retry_after":"a while"}}',
                b'{"parameters":{"retry_after":true}}',
                b'{"parameters":[1]}',
                b"<html>busy</html>",
                b"[1, 2]",
                b"[" * 100_000,
                b"\xff\xfe",
            )
        ),
    ],
)
def test_each_provider_is_read_as_documented(
    provider: str, headers: dict[str, str], body: bytes, wait_s: float | None
) -> None:
    assert wait_of(provider, headers, body) == wait_s


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [
        ("discord", "X-RateLimit-Reset-After", "1.5"),
        ("sendgrid", "X-RateLimit-Reset", str(NOW_S + 40)),
        ("pushbullet", "X-Ratelimit-Reset", str(NOW_S + 40)),
        ("pushover", "X-Limit-App-Reset", str(NOW_S + 40)),
        ("mattermost", "X-Ratelimit-Reset", "1"),
        ("opsgenie", "X-RateLimit-Period-In-Sec", "60"),
    ],
)
def test_a_rate_limit_on_another_error_is_no_wait(provider: str, header: str, value: str) -> None:
    assert wait_of(provider, {header: value}, status=503) is None


@pytest.mark.parametrize(
    ("module", "provider"), [("discord", "discord"), ("signal_api", "signal"), ("wecombot", "wecom")]
)
def test_a_service_of_apprise_follows_the_rule_of_our_own_type(module: str, provider: str) -> None:
    assert rule_for_service(module) is WAITS[provider]


def test_an_unknown_service_of_apprise_follows_the_standard() -> None:
    assert rule_for_service("rocketchat") is STANDARD


@for_any(st.sampled_from(sorted(WAITS)), st.text(), st.binary(), st.sampled_from([200, 400, 429, 503]))
def test_every_response_gives_no_wait_or_a_sane_one(provider: str, header: str, body: bytes, status: int) -> None:
    fields = dict.fromkeys([*(one.header for one in WAITS[provider].fields if one.header), "Retry-After"], header)
    wait_s = wait_of(provider, fields, body, status)
    assert wait_s is None or 0 <= wait_s <= WAITS[provider].max_s
