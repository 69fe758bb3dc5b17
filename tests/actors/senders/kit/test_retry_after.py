"""Parsing Retry-After."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given as for_any, strategies as st

from actors.senders.kit.retry_after import MAX_WAIT_S, parse_retry_after
from tests.actors.senders.sample_messages import AT


@pytest.mark.parametrize(
    ("header", "body", "wait_s"),
    [
        ("", b"", None),
        ("7", b"", 7.0),
        ("0", b"", 0.0),
        ("0.65", b"", 0.65),
        ("-5", b"", 0.0),
        ("999999", b"", MAX_WAIT_S),
        (format_datetime(AT + timedelta(seconds=90), usegmt=True), b"", 90.0),
        (format_datetime(AT - timedelta(days=1), usegmt=True), b"", 0.0),
        ("Sun Nov 22 12:00:30 2026", b"", 30.0),
        ("soon", b"", None),
        ("nan", b"", None),
        ("1e999", b"", None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", b"", None),
        ("", b'{"message":"slow down","retry_after":0.65,"global":false}', 0.65),
        ("1", b'{"retry_after":0.3}', 0.3),
        ("", b'{"ok":false,"error_code":429,"parameters":{"retry_after":31}}', 31.0),
        ("", b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}', 2.5),
        ("5", b'{"retry_after":1' + b"0" * 400 + b"}", 5.0),
        ("5", b'{"retry_after":"a while"}', 5.0),
        ("5", b'{"retry_after":true,"parameters":[1]}', 5.0),
        ("5", b"<html>busy</html>", 5.0),
        ("5", b"[1, 2]", 5.0),
        ("5", b"[" * 100_000, 5.0),
        ("5", b"\xff\xfe", 5.0),
    ],
)
def test_the_wait_is_read_from_the_body_or_from_the_header(header: str, body: bytes, wait_s: float | None) -> None:
    assert parse_retry_after(header, body, AT) == wait_s


@for_any(st.text(), st.binary())
def test_every_retry_after_gives_no_wait_or_a_sane_one(header: str, body: bytes) -> None:
    wait_s = parse_retry_after(header, body, AT)
    assert wait_s is None or 0 <= wait_s <= MAX_WAIT_S
