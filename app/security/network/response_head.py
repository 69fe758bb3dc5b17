"""Reads the head of an HTTP response as curl and browsers do: leniently, and every byte into text in one place. Pure.

Source: RFC 9110 and RFC 9112; where they leave a fault to the reader, what curl and browsers make of it
(`docs/compared/http.md`).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine
from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy

MAX_HEADERS = 5_000  # of one head: a few milliseconds
SHOWN_CHARS = 60  # characters of what is no status line
UNTIL_CLOSE, CHUNKED = -1, -2  # lengths of a body whose head names none
MAX_BODY_BYTES = 2**63 - 1  # bytes; a length beyond that is none
CACHED_LENGTH = 64  # characters of a status line that is cached
BLANK = " \t\r"
USUAL_VERSIONS = {"1.1": HttpVersion11, "1.0": HttpVersion10, None: HttpVersion10}
# A higher version is taken by its own number (RFC 9110, 2.5). SHOUTcast answers ICY, and players take it.
_STATUS_LINE = re.compile(r"(?:HTTP/(\d{1,3}(?:\.\d{1,3})?)|ICY) +([1-9]\d\d)(?!\d)[ \t]*([^\r\n]*)", re.IGNORECASE)
_LENGTH = re.compile(r"\+?(\d{1,40})")
_UNSAFE = re.compile(rb"[^!-~]")  # bytes that may not stand in an address


class ResponseHead(Struct, frozen=True, gc=False):
    """A response's status line and headers.

    length        bytes of the body that follows, UNTIL_CLOSE or CHUNKED
    stays_open    whether the connection may serve another request: its framing is beyond doubt
    """

    version: HttpVersion
    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    length: int
    keep_alive: bool


def read_head(raw: bytes) -> ResponseHead:
    """A head without the empty line at its end. Raises BadStatusLine, BadHttpMessage."""
    if b"\0" in raw:
        raise BadHttpMessage("a NUL byte in its head")
    lines = raw.decode("ascii").split("\n") if raw.isascii() else [_decode_line(line) for line in raw.split(b"\n")]
    if len(lines) > MAX_HEADERS:
        raise BadHttpMessage("too many headers")
    first = lines[0]
    found = _parse_status_cached(first) if len(first) <= CACHED_LENGTH else _parse_status(first)
    if found is None:
        raise not_http_error(raw)
    version, status, reason = found
    headers: CIMultiDict[str] = CIMultiDict()
    for line in _unfold(lines) if b"\n " in raw or b"\n\t" in raw else lines[1:]:
        name, colon, value = line.partition(":")
        if colon and (name := name.rstrip(BLANK)):  # a line that has none says nothing, and browsers leave it out
            headers.add(name, value.strip(BLANK))
    shown = CIMultiDictProxy(headers)
    lengths = shown.getall(hdrs.CONTENT_LENGTH, ())
    codings = shown.getall(hdrs.TRANSFER_ENCODING, ())
    is_kept = len(lengths) + bool(codings) <= 1 and _is_kept_alive(version, shown.getall(hdrs.CONNECTION, ()))
    return ResponseHead(version, status, reason, shown, _body_length(lengths, codings), is_kept)


def may_be_head(raw: bytes) -> bool:
    """Whether these first bytes may become a head: whoever speaks something else is not waited for."""
    start = raw[:5].upper()
    return b"HTTP/".startswith(start) or b"ICY ".startswith(start[:4])


def not_http_error(raw: bytes) -> BadStatusLine:
    """What is wrong with a response that begins like this."""
    start = raw.partition(b"\n")[0][:SHOWN_CHARS].rstrip(b"\r").decode("latin-1")
    return BadStatusLine(error=f"it begins with {start!r}")


def _parse_status(line: str) -> tuple[HttpVersion, int, str] | None:
    """What a status line says: version, status and reason; None for what is no status line."""
    found = _STATUS_LINE.match(line)
    if found is None:
        return None
    number, status, reason = found.groups()
    return USUAL_VERSIONS.get(number) or _parse_version(number), int(status), reason


_parse_status_cached = lru_cache(maxsize=1_024)(_parse_status)  # most servers send the same few


def _parse_version(number: str) -> HttpVersion:
    major, _, minor = number.partition(".")
    return HttpVersion(int(major), int(minor or 0))


def _body_length(lengths: Sequence[str], codings: Sequence[str]) -> int:
    """RFC 9112, 6.3: chunks before lengths; of several lengths the last one, as curl has it."""
    if codings and "chunked" in _list_items(codings):
        return CHUNKED
    found = _LENGTH.match(lengths[-1]) if lengths else None
    length = int(found[1]) if found else UNTIL_CLOSE
    return length if length <= MAX_BODY_BYTES else UNTIL_CLOSE


def _is_kept_alive(version: HttpVersion, options: Sequence[str]) -> bool:
    """Whether the server keeps the connection, by its `Connection` headers."""
    words = _list_items(options) if options else ()
    return "close" not in words and (version is HttpVersion11 or "keep-alive" in words)


def _list_items(lines: Sequence[str]) -> list[str]:
    """What a header lists, over all of its lines."""
    return [word.strip(BLANK) for word in ",".join(lines).lower().split(",")]


def _unfold(lines: list[str]) -> list[str]:
    """Headers in one line each, where they go on in a next one that begins with a blank (RFC 9112, 5.2)."""
    whole: list[list[str]] = []
    for line in lines[1:]:
        if line[:1] not in BLANK:
            whole.append([line.rstrip(BLANK)])
        elif whole:
            whole[-1].append(line.strip(BLANK))
    return [" ".join(parts) for parts in whole]


def _decode_line(line: bytes) -> str:
    """A line as text: UTF-8, or what servers mean that know none. An address keeps its bytes, written as %XX."""
    if line[:9].lower() == b"location:":
        name, _, value = line.partition(b":")
        line = name + b":" + _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], value.strip(b" \t\r"))
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
