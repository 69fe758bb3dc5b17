"""HTTP servers with oddities: the output of `curl -L`, and the result of a check."""

import asyncio
import contextlib
import socket
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest

from actors.probes import ProbeContext, TargetFailed
from actors.probes.http.redirects import follow_redirects
from actors.probes.http.request import initial_request
from actors.probes.http.session import HttpSession
from actors.probes.kit.bounded_body import read_bytes
from schema.status import Status
from schema.targets import Http, Method
from tests import oddities
from tests.actors.probes.conftest import Check
from tests.actors.probes.scripted_server import listening
from tests.actors.probes.server_processes import program

PAGE, COOKIE = "http", "a cookie that must come back after a redirect"
MADE_WITH = "curl 7.88"
OK, LENGTH, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"
HELLO, CHUNKS = b"\r\nhello", b"\r\n5\r\nhello\r\n0\r\n\r\n"
EVERY_STATUS = ["1XX", "2XX", "3XX", "4XX", "5XX"]
EXCERPT_CHARS = 40


class Case(NamedTuple):
    """A server: what it answers, whether it then closes, resets or waits for us to close, and its requests."""

    answer: bytes
    end: str = "waits"
    method: Method = Method.GET


def line(status: bytes) -> bytes:
    return status + b"\r\n" + LENGTH + HELLO


def header(*lines: bytes) -> bytes:
    return OK + b"".join(one + b"\r\n" for one in lines) + LENGTH + HELLO


def chunks(*lines: bytes) -> bytes:
    return OK + CHUNKED + b"\r\n" + b"\r\n".join(lines) + b"\r\n"


def length(value: bytes) -> bytes:
    return OK + b"Content-Length:" + value + b"\r\n" + HELLO


def coded(value: bytes, body: bytes = HELLO) -> bytes:
    return OK + b"Transfer-Encoding: " + value + b"\r\n" + body


FRAMES = {
    "`Content-Length` and chunks": Case(OK + LENGTH + CHUNKED + CHUNKS),
    "chunks, and then `Content-Length`": Case(OK + CHUNKED + LENGTH + CHUNKS),
    "a HEAD that is answered with a body": Case(OK + LENGTH + b"Connection: close\r\n" + HELLO, "closes", Method.HEAD),
    "a HEAD whose answer announces chunks": Case(OK + CHUNKED + b"\r\n", "waits", Method.HEAD),
    "a HEAD whose answer has no length": Case(OK + b"\r\n", "waits", Method.HEAD),
    "more bytes than `Content-Length`, `Connection: close`": Case(
        OK + b"Content-Length: 2\r\nConnection: close\r\n" + HELLO, "closes"
    ),
    "more bytes than `Content-Length`, the connection left open": Case(length(b" 2")),
    "a second answer behind the first": Case((OK + LENGTH + HELLO) * 2),
    "`Content-Length` twice, the same": Case(OK + LENGTH + LENGTH + HELLO),
    "`Content-Length` twice, 5 and 4": Case(OK + LENGTH + b"Content-Length: 4\r\n" + HELLO),
    "`Content-Length: 5, 5`": Case(length(b" 5, 5")),
    "`Content-Length: 5, 6`": Case(length(b" 5, 6")),
    "`Content-Length: +5`": Case(length(b" +5")),
    "`Content-Length: 5x`": Case(length(b" 5x")),
    "`Content-Length: 5.0`": Case(length(b" 5.0")),
    "`Content-Length: -5`": Case(length(b" -5"), "closes"),
    "`Content-Length: five`": Case(length(b" five"), "closes"),
    "`Content-Length:` without a value": Case(length(b""), "closes"),
    "`Content-Length` in the next line, folded": Case(length(b"\r\n 5"), "closes"),
    "`Content-Length` of 23 digits": Case(length(b" " + b"9" * 23), "closes"),
    "`Content-Length : 5`, a space before the colon": Case(OK + b"Content-Length : 5\r\n" + HELLO, "closes"),
    "`Transfer-Encoding: identity` and a length": Case(OK + b"Transfer-Encoding: identity\r\n" + LENGTH + HELLO),
    "`Transfer-Encoding: identity`": Case(coded(b"identity"), "closes"),
    "`Transfer-Encoding: Chunked`": Case(coded(b"Chunked", CHUNKS)),
    "`Transfer-Encoding: chunked` twice": Case(OK + CHUNKED + CHUNKED + CHUNKS),
    "`Transfer-Encoding: chunked, identity`": Case(coded(b"chunked, identity", CHUNKS)),
    "an unknown `Transfer-Encoding`": Case(coded(b"x"), "closes"),
    "an unknown `Transfer-Encoding` and a length": Case(OK + b"Transfer-Encoding: x\r\n" + LENGTH + HELLO),
    "`Transfer-Encoding: chunked`, and no chunks": Case(OK + CHUNKED + HELLO, "closes"),
}
CHUNK_LINES = {
    "an extension of a chunk": Case(chunks(b'5;a=b;c="d"', b"hello", b"0;x", b"")),
    "trailers": Case(chunks(b"5", b"hello", b"0", b"X-Sum: 1", b"")),
    "a trailer without a colon": Case(chunks(b"5", b"hello", b"0", b"nonsense", b"")),
    "bytes behind the last chunk": Case(OK + CHUNKED + CHUNKS + b"more"),
    "no line behind the last chunk, closed": Case(chunks(b"5", b"hello", b"0"), "closes"),
    "no last chunk, closed": Case(chunks(b"5", b"hello"), "closes"),
    "chunks whose lines end in LF": Case((OK + CHUNKED + CHUNKS).replace(b"\r", b"")),
    "a chunk that does not end in a line": Case(OK + CHUNKED + b"\r\n5\r\nhello0\r\n\r\n"),
    "a chunk longer than it says": Case(chunks(b"5", b"hello world", b"0", b"")),
    "a chunk's size in capitals": Case(chunks(b"A", b"hellohello", b"0", b"")),
    "a chunk's size with zeros before it": Case(chunks(b"0005", b"hello", b"000", b"")),
    "a chunk's size of 21 digits": Case(chunks(b"0" * 20 + b"5", b"hello", b"0", b"")),
    "a chunk's size with spaces behind it": Case(chunks(b"5  ", b"hello", b"0  ", b"")),
    "a chunk's size with spaces before it": Case(chunks(b"  5", b"hello", b"0", b"")),
    "a chunk's size that is no number": Case(chunks(b"zz", b"hello", b"0", b"")),
    "a chunk's size `-5`": Case(chunks(b"-5", b"hello", b"0", b"")),
    "a chunk's size `0x5`": Case(chunks(b"0x5", b"hello", b"0", b"")),
    "a chunk without a size": Case(chunks(b"", b"hello", b"0", b"")),
}
LINES = {
    "no reason": Case(line(b"HTTP/1.1 200")),
    "a reason in Latin-1": Case(line(b"HTTP/1.1 200 caf\xe9")),
    "a reason of 60 kB": Case(line(b"HTTP/1.1 200 " + b"a" * 60_000)),
    "`HTTP/1.1 200OK`": Case(line(b"HTTP/1.1 200OK")),
    "two spaces before the status": Case(line(b"HTTP/1.1  200 OK")),
    "a tab before the status": Case(line(b"HTTP/1.1\t200 OK")),
    "a space before the status line": Case(line(b" HTTP/1.1 200 OK")),
    "an empty line before the status line": Case(b"\r\n" + line(b"HTTP/1.1 200 OK")),
    "the status 600": Case(line(b"HTTP/1.1 600 X")),
    "the status 999": Case(line(b"HTTP/1.1 999 X")),
    "the status 099": Case(line(b"HTTP/1.1 099 X")),
    "the status 000": Case(line(b"HTTP/1.1 000 X")),
    "the status 20": Case(line(b"HTTP/1.1 20 X")),
    "the status 2000": Case(line(b"HTTP/1.1 2000 X")),
    "the status `abc`": Case(line(b"HTTP/1.1 abc X")),
    "`http/1.1` in small letters": Case(line(b"http/1.1 200 OK")),
    "`HTTP/1.0`": Case(b"HTTP/1.0 200 OK\r\n" + HELLO, "closes"),
    "`HTTP/1.0` with chunks": Case(b"HTTP/1.0 200 OK\r\n" + CHUNKED + CHUNKS),
    "`HTTP/1`": Case(line(b"HTTP/1 200 OK")),
    "`HTTP/1.2`": Case(line(b"HTTP/1.2 200 OK")),
    "`HTTP/2.0`": Case(line(b"HTTP/2.0 200 OK")),
    "`HTTP/2`": Case(line(b"HTTP/2 200 OK")),
    "`HTTP/0.9` in a status line": Case(line(b"HTTP/0.9 200 OK")),
    "`ICY 200 OK`, as SHOUTcast answers": Case(line(b"ICY 200 OK")),
    "`RTSP/1.0 200 OK`": Case(line(b"RTSP/1.0 200 OK")),
    "a page without a head, as HTTP/0.9": Case(b"<html>hello</html>", "closes"),
    "SSH's greeting": Case(b"SSH-2.0-OpenSSH_9.2\r\n"),
}
HEADERS = {
    "a header without a value": Case(header(b"X-A:")),
    "tabs around a value": Case(header(b"X-A:\t\tb\t")),
    "a header that goes on in the next line": Case(header(b"X-A: one", b" two")),
    "a first header that begins with a space": Case(header(b" X-A: one")),
    "a header without a colon": Case(header(b"nonsense")),
    "a header without a name": Case(header(b": x")),
    "a space in a header's name": Case(header(b"X A: b")),
    "a byte above 0x7F in a header's name": Case(header(b"X\xe9: b")),
    "a header in Latin-1": Case(header(b"X-A: caf\xe9")),
    "a header in UTF-8": Case(header("X-A: café".encode())),
    "control characters in a header": Case(header(b"X-A: a\x01\x07b")),
    "CR within a header": Case(header(b"X-A: a\rb")),
    "NUL in a header": Case(header(b"X-A: a\0b")),
    "NUL in the status line": Case(line(b"HTTP/1.1 200 O\0K")),
    "lines that end in LF": Case((OK + LENGTH + HELLO).replace(b"\r", b"")),
    "lines that end in CR": Case((OK + LENGTH + HELLO).replace(b"\n", b""), "closes"),
    "lines that end in CR CR LF": Case((OK + LENGTH).replace(b"\r", b"\r\r") + HELLO),
    "`Server`, `Date` and `Content-Type` twice": Case(header(*[b"Server: a", b"Date: b", b"Content-Type: c"] * 2)),
    "a header of 99 kB": Case(header(b"X-A: " + b"a" * 99_000)),
    "a header of 110 kB": Case(header(b"X-A: " + b"a" * 110_000)),
    "headers of 330 kB together": Case(header(*[b"X-A: " + b"a" * 30_000] * 11)),
    "4,000 headers": Case(header(*[b"X-A: b"] * 4_000)),
    "6,000 headers": Case(header(*[b"X-A: b"] * 6_000)),
    "`Connection` of unknown words": Case(header(b"Connection: x, y")),
    "`Upgrade` in an answer of 200": Case(header(b"Upgrade: h2,h2c", b"Connection: Upgrade")),
    "`Sec-WebSocket-Key1`, of the oldest WebSockets": Case(header(b"Sec-WebSocket-Key1: a")),
}
STEPS = {
    "`100 Continue` before the answer": Case(b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + HELLO),
    "five `103 Early Hints`": Case(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5 + OK + LENGTH + HELLO),
    "`102 Processing` with a length": Case(
        b"HTTP/1.1 102 Processing\r\nContent-Length: 0\r\n\r\n" + OK + LENGTH + HELLO
    ),
    "`199` before the answer": Case(b"HTTP/1.1 199 X\r\n\r\n" + OK + LENGTH + HELLO),
    "`100 Continue` and no answer": Case(b"HTTP/1.1 100 Continue\r\n\r\n", "closes"),
    "`101 Switching Protocols` unasked": Case(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "closes"
    ),
    "a body with 204": Case(line(b"HTTP/1.1 204 No Content")),
    "chunks with 204": Case(b"HTTP/1.1 204 No Content\r\n" + CHUNKED + CHUNKS),
    "a body with 304": Case(line(b"HTTP/1.1 304 Not Modified")),
    "a body with 205": Case(line(b"HTTP/1.1 205 Reset Content")),
}
ENDS = {
    "no answer": Case(b"", "closes"),
    "no answer but a reset": Case(b"", "resets"),
    "a status line that breaks off": Case(b"HTTP/1.1 200 OK", "closes"),
    "a status line and no more": Case(OK, "closes"),
    "a head that breaks off in a header": Case(OK + b"Content-Le", "closes"),
    "a head without the empty line": Case(OK + LENGTH, "closes"),
    "a head without a body": Case(OK + b"\r\n", "closes"),
    "fewer bytes than `Content-Length`": Case(length(b" 10"), "closes"),
    "fewer bytes than `Content-Length`, and a reset": Case(length(b" 10"), "resets"),
    "a body that ends with the connection": Case(OK + HELLO, "closes"),
    "a body that ends with a reset": Case(OK + HELLO, "resets"),
    "a reset behind the whole answer": Case(OK + LENGTH + HELLO, "resets"),
}
RESPONSES = FRAMES | CHUNK_LINES | LINES | HEADERS | STEPS | ENDS

LOCATIONS = {
    "a path": b"/a",
    "a relative path": b"a",
    "another host in the same scheme": b"//HERE/a",
    "a scheme in capitals": b"HTTP://HERE/a",
    "a host without a path": b"http://HERE?x",
    "a fragment": b"/a#b",
    "a query alone": b"?x=1",
    "an empty query": b"/x?",
    "steps up": b"../../a",
    "steps within a path": b"/a/../b",
    "a space in the path": b"/a b",
    "a space in the query": b"?q=a b",
    "a tab in the path": b"/a\tb",
    "spaces around it": b" /a ",
    "Latin-1": b"/caf\xe9",
    "UTF-8": "/café".encode(),
    "what is encoded already": b"/a%2Fb%41?sig=%3d",
    "an odd `%`": b"/a?b=%zz",
    "brackets in the query": b"/?a[]=1",
    "characters that are no address's": b'/"<>^{}',
    "a backslash": b"\\a",
    "credentials": b"http://me:secret@HERE/a",
    "a scheme and one slash": b"http:/a",
    "a scheme and no host": b"http://",
    "half an IPv6 address": b"http://[::",
    "a file": b"file:///etc/passwd",
    "FTP": b"ftp://127.0.0.1:1/",
    "a script": b"javascript:1",
    "no value": b"",
    "itself": b"/",
}


class Server:
    """Answers each request with the same bytes; or with a redirect first, and then with a page."""

    def __init__(self, answer: Callable[[bytes], bytes], end: str) -> None:
        self._answer, self._end = answer, end
        self.requests: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.split(b" HTTP/")[0].decode("latin-1"))
            writer.write(self._answer(head))
            await writer.drain()
            if self._end == "closes":
                writer.write_eof()
            if self._end == "resets":
                await asyncio.sleep(0.05)  # the answer is read before the reset comes
                linger: socket.socket = writer.get_extra_info("socket")
                linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                await reader.read()
        writer.close()


@contextlib.asynccontextmanager
async def serving(answer: Callable[[bytes], bytes], end: str = "waits") -> AsyncIterator[tuple[str, Server]]:
    """The address of such a server."""
    script = Server(answer, end)
    async with listening(script) as port:
        yield f"http://127.0.0.1:{port}/", script


async def curl(*args: str) -> str:
    """Status and body, or the number of curl's error."""
    with tempfile.TemporaryDirectory() as place:
        body = Path(place) / "body"
        options = ["-q", "-sS", "-L", "--max-redirs", "10", "--max-time", "4", "--noproxy", "*", "-w", "%{http_code}"]
        command = [str(program("curl", "curl")), *options, "-o", str(body), *args]
        process = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        out = process.stdout
        if process.returncode:
            return f"no: error {process.returncode}"
        page = body.read_bytes() if body.exists() and "-I" not in args else b""
        return f"yes: {out}{excerpt(page)}"


async def check_of(target: Http, check: Check, context: ProbeContext) -> str:
    """The result of a check that reads the body, and that body."""
    outcome = await check(target)
    if outcome.status is not Status.UP:
        return oddities.words_of(outcome)
    walk = await follow_redirects(initial_request(target), 10, HttpSession(context.http, ssl=True))
    try:
        return f"up: {walk.response.status}{excerpt(bytes(await read_bytes(walk.response)))}"
    finally:
        walk.response.close()


def excerpt(body: bytes) -> str:
    return f", `{body.decode('latin-1')[:EXCERPT_CHARS]}`" if body else ""


async def matches_curl(what: str, theirs: str) -> str:
    """The output of curl in the page's version; for another version, the text of the page."""
    version = await asyncio.to_thread(subprocess.check_output, [program("curl", "curl"), "--version"], text=True)
    return theirs if version.startswith(MADE_WITH) else oddities.rows(PAGE)[what].theirs


@pytest.mark.parametrize("what", RESPONSES)
async def test_checks_agree_with_curl_except_where_documented(check, context, what):
    case = RESPONSES[what]
    async with serving(lambda _: case.answer, case.end) as (url, _):
        theirs = await curl(*["-I"] * (case.method is Method.HEAD), url)
        target = Http(url=url, method=case.method, regex="(?s).*", accepted_statuscodes=EVERY_STATUS)
        ours = await check_of(target, check, context)
    oddities.compare(PAGE, what, await matches_curl(what, theirs), ours)


@pytest.mark.parametrize("name", LOCATIONS)
async def test_a_redirect_leads_where_it_leads_curl(check, name):
    what = f"`Location`: {name}"

    def answer(head: bytes) -> bytes:
        if len(server.requests) % 2:
            here = url.encode().split(b"/")[2]
            return (
                b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: "
                + location.replace(b"HERE", here)
                + b"\r\n\r\n"
            )
        return OK + LENGTH + HELLO

    location = LOCATIONS[name]
    async with serving(answer) as (url, server):
        theirs = await curl(url)
        led = led_to(server)
        outcome = await check(Http(url=url, accepted_statuscodes=["200", "302"]))
        ours = f"up: {led_to(server)}" if outcome.status is Status.UP else oddities.words_of(outcome)
    theirs = f"yes: {led}" if theirs.startswith("yes") else theirs
    oddities.compare(PAGE, what, await matches_curl(what, theirs), ours)


def led_to(server: Server) -> str:
    """The last requested address; clears all of them."""
    request = server.requests[-1]
    server.requests.clear()
    return f"`{request}`"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", [Method.POST, Method.HEAD])
async def test_a_redirect_changes_the_method_as_curl_does(check, status, method):
    what = f"{status} after a {method.value}"

    def answer(head: bytes) -> bytes:
        if b" /a " in head:
            return OK + b"Content-Length: 0\r\n\r\n"
        return b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /a\r\n\r\n" % status

    async with serving(answer) as (url, server):
        args = ["-I"] if method is Method.HEAD else ["-d", "words"]
        assert (await curl(*args, url)).startswith("yes")
        theirs = f"yes: {led_to(server)}"
        assert (
            await check(Http(url=url, method=method, body="" if method is Method.HEAD else "words"))
        ).status is Status.UP
        ours = f"up: {led_to(server)}"
    oddities.compare(PAGE, what, await matches_curl(what, theirs), ours)


async def test_a_cookie_is_stored_as_curl_stores_it(check):
    what = COOKIE

    def answer(head: bytes) -> bytes:
        if b"a=1" in head:
            return OK + b"Content-Length: 0\r\n\r\n"
        return b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nLocation: /\r\n\r\n"

    async with serving(answer) as (url, _):
        theirs = await curl("-b", "", url)
        outcome = await check(Http(url=url))
    oddities.compare(PAGE, what, await matches_curl(what, theirs), oddities.words_of(outcome))


def test_each_row_of_the_page_is_run():
    redirects = {f"`Location`: {name}" for name in LOCATIONS}
    methods = {f"{status} after a {method}" for status in (301, 302, 303, 307, 308) for method in ("POST", "HEAD")}
    assert set(oddities.rows(PAGE)) == {*RESPONSES, *redirects, *methods, COOKIE}


async def test_a_broken_body_is_not_taken_for_a_whole_one(context):
    """The table's *down* comes from the body: a request for the head alone is answered."""
    async with serving(lambda _: length(b" 10"), "closes") as (url, _):
        walk = await follow_redirects(initial_request(Http(url=url)), 10, HttpSession(context.http, ssl=True))
        with contextlib.closing(walk.response) as answer:
            assert answer.status == 200
            with pytest.raises((aiohttp.ClientPayloadError, TargetFailed)):
                await read_bytes(answer)
