"""Bodies in any charset and content coding, and bodies without an end."""

import asyncio
import gzip
from typing import Any, cast

import brotli
import pytest
from backports import zstd
from hypothesis import given, strategies as st
from multidict import CIMultiDict

from actors.probes.kit.bounded_body import BoundedBody
from actors.probes.kit.result import TargetFailed
from schema.heartbeat_texts import NO_ANSWER
from schema.status import Status
from schema.targets import Http, Website
from tests.actors.probes.target import answering, serving

UP, DOWN, DEGRADED = Status.UP, Status.DOWN, Status.DEGRADED


def going_on(*parts: bytes, headers: bytes = b""):
    """A script that sends these parts one after the other and does not end the response."""

    async def script(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
        reader = writer.transport.get_protocol()._stream_reader
        await reader.read()

    return script


async def looked_for(check, script, keyword: str, **fields) -> tuple[tuple[Status, str], tuple[Status, str]]:
    """The results of an http and a website check of the page."""
    async with serving(script) as target:
        one = await check(Http(url=target.url(), keyword=keyword, **fields))
        other = await check(Website(url=target.url(), expected_content=keyword))
    return (one.status, one.message), (other.status, other.message)


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("text/html", '<meta charset="gb2312">中文'.encode("gbk"), "中文"),
        ("text/html; charset=windows-949", "한국어".encode("cp949"), "한국어"),
        ("text/html; charset=windows-31j", "日本語".encode("cp932"), "日本語"),
        ("text/html; charset=x-sjis", "日本語".encode("cp932"), "日本語"),
        ("text/html; charset=windows-874", "ภาษาไทย".encode("cp874"), "ภาษาไทย"),
        ("text/html; charset=tis-620", "ภาษาไทย".encode("cp874"), "ภาษาไทย"),
        ("text/html; charset=iso-2022-jp", "日本語".encode("iso2022_jp"), "日本語"),
        ("text/html; charset=macintosh", "déjà vu".encode("mac_roman"), "déjà"),
        ("text/html; charset='iso-8859-1'", "déjà vu".encode("latin-1"), "déjà"),
        ("text/html", "déjà vu €".encode("cp1252"), "déjà vu €"),
        ("application/xml", '<?xml version="1.0" encoding="koi8-r"?><a>да</a>'.encode("koi8-r"), "да"),
        ("text/plain", "déjà".encode("utf-16"), "déjà"),
        ("text/plain; charset=iso-8859-1", "\ufeffdéjà".encode(), "déjà"),
        ("text/plain", b"x" * 40_000 + "déjà".encode("latin-1"), "déjà"),
    ],
)
async def test_keywords_are_found_in_the_charset_that_a_browser_finds(check, content_type, body, message):
    script = answering(body, headers=f"Content-Type: {content_type}\r\n")
    assert await looked_for(check, script, message) == ((UP, ""), (UP, ""))


@pytest.mark.parametrize("coding", ["none", "utf-8", "", "aws-chunked", "identity", "null, identity", "x-unknown"])
async def test_unknown_content_codings_do_not_fail_the_check(check, coding):
    script = answering(b"hello", headers=f"Content-Encoding: {coding}\r\n")
    assert await looked_for(check, script, "hello") == ((UP, ""), (UP, ""))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Encoding: br\r\n", brotli.compress(b"hello")),
        ("Content-Encoding: zstd\r\n", zstd.compress(b"hello")),
        ("Content-Encoding: identity, gzip\r\n", gzip.compress(b"hello", mtime=0)),
        ("Content-Encoding: gzip, br\r\n", brotli.compress(gzip.compress(b"hello", mtime=0))),
        (
            "Content-Encoding: gzip\r\nContent-Encoding: aws-chunked, zstd\r\n",
            zstd.compress(gzip.compress(b"hello", mtime=0)),
        ),
        ("Content-Encoding: gzip\r\n", gzip.compress(b"hello", mtime=0) + b"\0\0\0\0"),
    ],
)
async def test_content_codings_are_decoded_whether_requested_or_not(check, headers, body):
    assert await looked_for(check, answering(body, headers=headers), "hello") == ((UP, ""), (UP, ""))


async def test_a_page_with_a_wrong_content_encoding_is_down(check):
    broken = (DOWN, "the body's packing is broken")
    script = answering(b"<html>hello" * 9, headers="Content-Encoding: gzip\r\n")
    assert await looked_for(check, script, "hello") == (broken, broken)
    script = answering(b"hello", headers="Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip\r\n")
    refused = (DOWN, "the body is packed more than 5 times over")
    assert await looked_for(check, script, "hello") == (refused, refused)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/html"])
async def test_json_is_read_with_a_mark_and_in_wide_characters(check, encoding, kind):
    script = answering('{"a":"ü"}'.encode(encoding), headers=f"Content-Type: {kind}\r\n")
    async with serving(script) as target:
        outcome = await check(Http(url=target.url(), json_query="$.a"), detailed=True)
    assert (outcome.status, outcome.message, outcome.detail["value"]) == (UP, "", "ü")


async def test_an_endless_response_is_up_once_the_keyword_arrived(check):
    assert await looked_for(check, going_on(b"hello\n"), "hello") == ((UP, ""), (UP, ""))
    assert await looked_for(check, going_on(b"data: hel", b"lo\n\n"), "hello", regex=r"^data: h\w+") == (
        (UP, ""),
        (UP, ""),
    )
    packed = gzip.compress(b"hello" * 9)[:-8]
    script = going_on(packed, headers=b"Content-Encoding: gzip\r\n")
    assert await looked_for(check, script, "hello") == ((UP, ""), (UP, ""))


async def test_an_answer_without_end_that_does_not_decide_it_is_down_for_that(check):
    undecided: list[dict[str, Any]] = [
        {"keyword": "bye"},
        {"keyword": "bye", "invert_keyword": True},
        {"regex": "hello$"},
        {"regex": "bye", "invert_regex": True},
        {"keyword": "hello", "json_query": "$.a"},
    ]
    async with serving(going_on(b"hello")) as target:
        checks = [check(Http(url=target.url(), **fields), timeout_ms=3_000) for fields in undecided]
        outcomes = await asyncio.gather(*checks)
    for fields, outcome in zip(undecided, outcomes, strict=True):
        found = (outcome.status, outcome.code, outcome.message)
        assert found == (DOWN, NO_ANSWER, "the answer did not end within 3 s"), fields


async def test_an_endless_website_is_up_unless_a_keyword_must_be_absent(check):
    async with serving(going_on(b"hello")) as target:
        plain = await check(Website(url=target.url()))
        detailed = await check(Website(url=target.url()), detailed=True)
        other = await check(Website(url=target.url(), expected_status=404, unexpected_content="hello"))
        absent = await check(Website(url=target.url(), unexpected_content="bye"), timeout_ms=3_000)
    assert (plain.status, detailed.status, detailed.detail["response_size"]) == (UP, UP, 5)
    assert (other.status, other.message, other.detail["content_match"]) == (DOWN, "200 OK, expected 404", False)
    assert (absent.status, absent.message) == (DOWN, "the answer did not end within 3 s")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "none"])
async def test_a_website_without_keywords_is_up_whatever_its_body(check, coding):
    async with serving(answering(b"<html>" * 9, headers=f"Content-Encoding: {coding}\r\n")) as target:
        assert (await check(Website(url=target.url()))).status is UP
        assert (await check(Website(url=target.url()), detailed=True)).status is UP


async def test_a_page_that_comes_bit_by_bit_is_read_to_its_end(check):
    async with serving(answering("ü".encode() * 300_000 + b"end")) as target:
        assert (await check(Http(url=target.url(), keyword="üend"))).status is UP
        assert (await check(Http(url=target.url(), regex="üend$"))).status is UP


class Fed:
    """An answer whose body comes in these pieces."""

    status = 200

    def __init__(self, pieces: list[bytes], headers: dict[str, str]) -> None:
        self._pieces, self.headers, self.content = [one for one in pieces if one], CIMultiDict(headers), self

    def at_eof(self) -> bool:
        return not self._pieces

    async def readany(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


TYPES = ["", "text/html", "text/html; charset=", "application/xml", "x; charset=euc-jp", "y; charset=iso-2022-jp", "\0"]
CODINGS = ["", "gzip", "br", "zstd", "deflate, gzip", "none", "gzip, br, zstd, gzip, br", "gzip," * 9]
WORDS = [b"<meta charset=gbk>", b"\xff\xfe", b"\xef\xbb\xbf", gzip.compress(b"hello", mtime=0), zstd.compress(b"hello")]


@given(
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=20), max_size=8),
    st.sampled_from(TYPES),
    st.sampled_from(CODINGS),
    st.integers(1, 60),
)
def test_any_body_becomes_bounded_text_or_a_target_failure(pieces, kind, coding, most):
    headers = {"Content-Type": kind, "Content-Encoding": coding}

    async def found() -> tuple[str, int]:
        body = BoundedBody(cast("Any", Fed(pieces, headers)), most)
        return await body.read_until(never), len(body.raw)

    async def never(text: str) -> bool:
        return False

    try:
        text, size = asyncio.run(found())
    except TargetFailed as failed:
        assert "pack" in str(failed)  # noqa: PT017  # its message, where there is one
        return
    assert size <= most
    assert len(text) <= most  # no character is shorter than a byte
