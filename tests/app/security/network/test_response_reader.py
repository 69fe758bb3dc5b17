"""One HTTP response out of whatever bytes come, in whatever pieces. What curl makes of them: the table of oddities."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientPayloadError
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, ContentLengthError, TransferEncodingError
from hypothesis import given, settings, strategies as st

from app.security.network import response_head
from app.security.network.response_head import CACHED_LENGTH, MAX_HEADERS, read_head
from app.security.network.response_reader import DONE, HEAD_BYTES, LINE_BYTES, MAX_INTERIMS, ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Connection:
    """What the reader sees of aiohttp's protocol."""

    transport = None

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.close()
        self.closes = False

    def force_close(self) -> None:
        self.closes = True

    def resume_reading(self, *, resume_parser: bool) -> None:
        pass

    def pause_reading(self) -> None:
        pass


def parsed(pieces: list[bytes], *, without_body: bool = False, ends: bool = True) -> tuple[Any, ...]:
    """Status, headers, body, how it ended, and whether the connection may serve again."""
    connection: Any = Connection()
    reader = ResponseReader(connection, 2**20, without_body=without_body)
    found: list[Any] = []
    error = ""
    try:
        for piece in pieces:
            found += reader.feed_data(piece)[0]
        if ends:
            found += [one for one in [reader.truncated_head()] if one]
            reader.feed_eof()
    except (BadHttpMessage, ContentLengthError, TransferEncodingError) as raised:
        error = type(raised).__name__
    if not found:
        return (None, error)
    message, payload = found[0]
    broken = payload.exception()
    body = b"".join(getattr(payload, "_buffer", ()))
    reusable = reader._state == DONE and not (message.should_close or connection.closes or broken)
    return (message.code, list(message.headers.items()), body, error or type(broken).__name__, reusable)


WHOLE = [
    OK + b"Content-Length: 5\r\n\r\nhello",
    OK + b"Content-Length: 5\r\n\r\nhello and more",
    OK + b"Content-Length: 50\r\n\r\nhello",
    OK + b"\r\nhello",
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"5;a=b\r\nhello\r\n1 \r\n!\r\n0\r\nX: y\r\n\r\n",
    CHUNKED + b"5\nhello\n0\n\n",
    CHUNKED + b"5\r\nhello\r\nzz\r\n",
    CHUNKED + b"5\r\nhello world",
    CHUNKED + b"5\r\nhello\r\n0\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK + b"Content-Length: 2\r\n\r\nok",
    OK.replace(b"\r", b"") + b"X-A: one\n two\nContent-Length: 2\n\nok",
    b"\r\n\r\n" + OK + b"X: caf\xe9\r\nLocation: /caf\xe9 \xc3\xa9\r\nContent-Length: 0\r\n\r\n",
    OK + b"Content-Le",
    OK,
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"ICY 200 OK\r\nicy-name: x\r\n\r\nmusic",
]


@pytest.mark.parametrize("raw", WHOLE)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_pieces_mean_the_same_as_the_whole(raw, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert parsed(pieces)[:4] == parsed([raw])[:4]


@given(st.lists(st.binary(max_size=40), max_size=10), st.sampled_from([b"", OK, CHUNKED, CHUNKED + b"5\r\nhel"]))
def test_no_bytes_are_too_much(pieces, before):
    parsed([before, *pieces])


def test_an_address_keeps_its_bytes_and_all_else_becomes_text():
    _, headers, *_ = parsed([WHOLE[12]])
    assert dict(headers)["X"] == "café"
    assert dict(headers)["Location"] == "/caf%E9%20%C3%A9"


@given(st.binary(max_size=200).filter(lambda one: not set(one) & set(b"\r\n\0")))
def test_every_header_becomes_text_that_can_be_encoded(value):
    header = read_head(OK + b"X: " + value).headers["X"]
    assert header.encode() in {value.strip(b" \t"), value.strip(b" \t").decode("latin-1").encode()}


@pytest.mark.parametrize("length", [0, 1, CACHED_LENGTH, 10 * CACHED_LENGTH])
def test_a_status_line_is_read_the_same_when_it_comes_again(length):
    line = b"HTTP/1.0 404 " + b"x" * length
    heads = [read_head(line) for _ in range(3)]
    assert {(one.version, one.status, one.reason) for one in heads} == {((1, 0), 404, "x" * length)}


def test_a_bad_status_line_is_an_error_every_time():
    for _ in range(3):
        with pytest.raises(BadStatusLine, match="SSH"):
            read_head(b"SSH-2.0-OpenSSH_9.2")


def test_long_status_lines_are_not_cached():
    before = response_head._parse_status_cached.cache_info()
    read_head(b"HTTP/1.1 200 " + b"y" * CACHED_LENGTH)
    assert response_head._parse_status_cached.cache_info() == before
    assert before.maxsize is not None


@pytest.mark.parametrize(
    ("raw", "reusable"),
    [
        (OK + b"Content-Length: 2\r\n\r\nok", True),
        (CHUNKED + b"2\r\nok\r\n0\r\n\r\n", True),
        (OK + b"Content-Length: 2\r\nConnection: Close\r\n\r\nok", False),
        (OK + b"Content-Length: 2\r\n\r\nokay", False),
        (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", False),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", False),
        (CHUNKED + b"2\r\nok\r\n0\r\n\r\nmore", False),
        (OK + b"\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", False),
    ],
)
def test_only_an_unambiguous_response_leaves_its_connection_reusable(raw, reusable):
    assert parsed([raw], ends=False)[-1] is reusable


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"X: " + b"a" * HEAD_BYTES,
        OK + b"X: y\r\n" * MAX_HEADERS + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIMS + 1),
    ],
)
def test_a_head_has_bounds(raw):
    pieces = [raw[at : at + 4_096] for at in range(0, len(raw), 4_096)]
    assert parsed(pieces, ends=False)[0] is None


def test_a_line_between_chunks_has_bounds():
    long = parsed([CHUNKED, b"5;a=" + b"a" * LINE_BYTES], ends=False)
    assert long[3] == ClientPayloadError.__name__
