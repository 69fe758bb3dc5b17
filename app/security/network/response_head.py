"""Parses the head of an HTTP response as leniently as curl and browsers do, and decodes all its bytes to text. Pure.

Source: RFC 9110 and RFC 9112; where they leave the handling of errors to the client, it does what curl and browsers do
(`docs/compared/http.md`).
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, hdrs
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine
from msgspec import Struct
from multidict import CIMultiDict, CIMultiDictProxy

MAX_HEADERS = 5_000  # of one head; parsing them takes a few milliseconds
SHOWN_CHARS = 60  # characters of an invalid status line in the error
UNTIL_CLOSE, CHUNKED = -1, -2  # body lengths for a head without a length
MAX_BODY_BYTES = 2**63 - 1  # a longer length is ignored
CACHED_LENGTH = 64  # characters; longer status lines are not cached
BLANK = " \t\r"
USUAL_VERSIONS = {"1.1": HttpVersion11, "1.0": HttpVersion10, None: HttpVersion10}
# A higher version keeps its number (RFC 9110, 2.5). SHOUTcast answers ICY, which players accept.
_STATUS_LINE = re.compile(r"(?:HTTP/(\d{1,3}(?:\.\d{1,3})?)|ICY) +([1-9]\d\d)(?!\d)[ \t]*([^\r\n]*)", re.IGNORECASE)
_LENGTH = re.compile(r"\+?(\d{1,40})")
_UNSAFE = re.compile(rb"[^!-~]")  # bytes not allowed in an address


class ResponseHead(Struct, frozen=True, gc=False):
    """A response's status line and headers.

    length        bytes of the body that follows, UNTIL_CLOSE or CHUNKED
    keep_alive    the connection may serve another request, since its framing is unambiguous
    """

    version: HttpVersion
    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    length: int
    keep_alive: bool


def read_head(raw: bytes) -> ResponseHead:
    """Parse a head given without its final empty line. Raises BadStatusLine, BadHttpMessage."""
    if b"\0" in raw:
        raise BadHttpMessage("a NUL byte in its head")
    lines = raw.decode("ascii").split("\n") if raw.isascii() else [_decode_line(line) for line in raw.split(b"\n")]
    if len(lines) > MAX_HEADERS:
        raise BadHttpMessage("too many headers")
    first = lines[0]
    parsed = _parse_status_cached(first) if len(first) <= CACHED_LENGTH else _parse_status(first)
    if parsed is None:
        raise not_http_error(raw)
    version, status, reason = parsed
    headers: CIMultiDict[str] = CIMultiDict()
    for line in _unfold(lines) if b"\n " in raw or b"\n\t" in raw else lines[1:]:
        name, colon, value = line.partition(":")
        if colon and (name := name.rstrip(BLANK)):  # browsers ignore lines without a name
            headers.add(name, value.strip(BLANK))
    headers_view = CIMultiDictProxy(headers)
    lengths = headers_view.getall(hdrs.CONTENT_LENGTH, ())
    codings = headers_view.getall(hdrs.TRANSFER_ENCODING, ())
    keep_alive = len(lengths) + bool(codings) <= 1 and _is_kept_alive(version, headers_view.getall(hdrs.CONNECTION, ()))
    return ResponseHead(version, status, reason, headers_view, _body_length(lengths, codings), keep_alive)


def may_be_head(raw: bytes) -> bool:
    """Whether these first bytes may begin a head. If not, the peer speaks another protocol."""
    start = raw[:5].upper()
    return b"HTTP/".startswith(start) or b"ICY ".startswith(start[:4])


def not_http_error(raw: bytes) -> BadStatusLine:
    """The error for a response that begins like this."""
    start = raw.partition(b"\n")[0][:SHOWN_CHARS].rstrip(b"\r").decode("latin-1")
    return BadStatusLine(error=f"it begins with {start!r}")


def _parse_status(line: str) -> tuple[HttpVersion, int, str] | None:
    """Version, status and reason of a status line; None if it is not one."""
    match = _STATUS_LINE.match(line)
    if match is None:
        return None
    number, status, reason = match.groups()
    return USUAL_VERSIONS.get(number) or _parse_version(number), int(status), reason


_parse_status_cached = lru_cache(maxsize=1_024)(_parse_status)  # most servers send the same few lines


def _parse_version(number: str) -> HttpVersion:
    major, _, minor = number.partition(".")
    return HttpVersion(int(major), int(minor or 0))


def _body_length(lengths: Sequence[str], codings: Sequence[str]) -> int:
    """RFC 9112, 6.3: chunked encoding has precedence; of several lengths the last counts, as in curl."""
    if codings and "chunked" in _list_items(codings):
        return CHUNKED
    match = _LENGTH.match(lengths[-1]) if lengths else None
    length = int(match[1]) if match else UNTIL_CLOSE
    return length if length <= MAX_BODY_BYTES else UNTIL_CLOSE


def _is_kept_alive(version: HttpVersion, lines: Sequence[str]) -> bool:
    """Whether the server keeps the connection open, by its `Connection` headers."""
    options = _list_items(lines) if lines else ()
    return "close" not in options and (version is HttpVersion11 or "keep-alive" in options)


def _list_items(lines: Sequence[str]) -> list[str]:
    """The items of a list header, over all of its lines."""
    return [item.strip(BLANK) for item in ",".join(lines).lower().split(",")]


def _unfold(lines: list[str]) -> list[str]:
    """Header lines, with continuation lines joined to the line they continue (RFC 9112, 5.2)."""
    unfolded: list[list[str]] = []
    for line in lines[1:]:
        if line[:1] not in BLANK:
            unfolded.append([line.rstrip(BLANK)])
        elif unfolded:
            unfolded[-1].append(line.strip(BLANK))
    return [" ".join(parts) for parts in unfolded]


def _decode_line(line: bytes) -> str:
    """A line as text: UTF-8, else Latin-1. In a Location header other bytes are written as %XX."""
    if line[:9].lower() == b"location:":
        name, _, value = line.partition(b":")
        line = name + b":" + _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], value.strip(b" \t\r"))
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
