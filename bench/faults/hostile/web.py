"""Hostile servers of HTTP and of protocols over it: WebSocket, RDAP, Docker's API, RabbitMQ's, tokens."""

import gzip
import hashlib
import zlib
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any

from bench.faults.hostile.scripts import (
    POISON,
    Kind,
    Script,
    computing,
    deaf,
    dripping,
    flooding,
    half_closed,
    replying,
    resetting,
    sending,
    silent,
    value_is,
)

BOMB_BYTES = 100_000_000
HEAD = b"HTTP/1.1 200 OK\r\n"
BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n"
END = b"\r\n"
DEEP = b"[" * 200_000 + b"]" * 200_000
HUGE_NUMBER = b"1" + b"0" * 5_000
KEYWORD = {"keyword": "needle"}
QUERY = {"json_query": "$.a.b"}
EXPONENTIAL = "(a?){1000}b"


def answer(body: bytes, head: bytes = HEAD, headers: bytes = b"") -> bytes:
    """A whole answer."""
    return head + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def at(path: str = "/", scheme: str = "http", **more: Any) -> Callable[[int], dict[str, Any]]:
    """The config of a monitor with an address."""
    return lambda port: {"url": f"{scheme}://127.0.0.1:{port}{path}", **more}


def web(name: str, script: Script, **more: Any) -> Kind:
    """An HTTP monitor that looks at a server."""
    return Kind(name=f"http: {name}", type="http", config=at(**more), script=script)


def redirect(location: bytes) -> bytes:
    """A response that redirects every request."""
    return b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"


def json(body: bytes, head: bytes = HEAD) -> Script:
    """Answers with JSON, or what looks like it."""
    return replying(answer(body, head, b"Content-Type: application/json\r\n"))


@cache
def bomb(packing: bytes, window: int) -> bytes:
    """A hundred megabytes of nothing, packed."""
    packer = zlib.compressobj(wbits=window)
    body = packer.compress(bytes(BOMB_BYTES)) + packer.flush()
    return answer(body, HEAD, b"Content-Encoding: " + packing + b"\r\n")


def with_token(port: int) -> dict[str, Any]:
    """The config of a monitor that requests a token first."""
    url = f"http://127.0.0.1:{port}/"
    auth = {"method": "oauth2", "token_url": url, "client_id": "me", "client_secret": "a secret"}
    return {"url": url, "auth": auth}


def onward(request: bytes) -> bytes:
    """A redirect to the next of endless places on the same server."""
    return redirect(request.split(b" ", 2)[1] + b"a")


HEADS = [
    web("a header that is not UTF-8", replying(BAD + b"X-Served-By: " + POISON.replace(b"\0", b"") + b"\r\n\r\n")),
    web("NUL in a header", replying(BAD + b"X-Served-By: " + POISON + b"\r\n\r\n")),
    web("NUL in a header's name", replying(BAD + b"X-\0" + POISON + b": 1\r\n\r\n")),
    web("control characters in the reason", replying(b"HTTP/1.1 500 " + POISON + b"\r\nContent-Length: 0\r\n\r\n")),
    web("a status of ten digits", replying(b"HTTP/1.1 9999999999 OK\r\n\r\n")),
    web("a negative status", replying(b"HTTP/1.1 -200 OK\r\n\r\n")),
    web("HTTP/9.9", replying(b"HTTP/9.9 200 OK\r\nContent-Length: 4\r\n\r\nbody"), **KEYWORD),
    web("HTTP/0.9, a body alone", replying(b"<html>\xff\0</html>\r\n")),
    web("one header of 20 MB", flooding(HEAD + b"X-Wide: ")),
    web("10,000 headers", replying(HEAD + b"X-Many: 1\r\n" * 10_000 + END)),
    web("headers without end", flooding(HEAD, b"X-Many: 1\r\n")),
    web("100 Continue without end", flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    web("103 Early Hints without end", flooding(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
    web("101 that nobody asked for", replying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n" + POISON)),
    web("a header that is compared", replying(answer(b"", HEAD, b"X-A: caf\xe9\x1b[31m \xed\xa0\x80\r\n")),
        header_assertions=[{"name": "X-A", "operator": "==", "expected": "ok"}]),
    web("header lines folded a thousand times", replying(HEAD + b"X-Fold: 1\r\n" + b" 1\r\n" * 1_000 + END), **KEYWORD),
]  # fmt: skip

BODIES = [
    web("a body of 10 GB", flooding(HEAD + b"Content-Length: 10000000000\r\n\r\n"), **KEYWORD),
    web("a gzip bomb", computing(lambda _: bomb(b"gzip", 31)), **KEYWORD),
    web("a deflate bomb", computing(lambda _: bomb(b"deflate", 15)), **KEYWORD),
    web("empty gzip members without end", flooding(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
        **KEYWORD),
    web("gzip that breaks off", replying(answer(gzip.compress(b"a" * 9)[:12], HEAD, b"Content-Encoding: gzip\r\n")),
        **KEYWORD),
    web("gzip that is none", replying(answer(POISON, HEAD, b"Content-Encoding: gzip\r\n")), **KEYWORD),
    web("a packing nobody knows", replying(answer(b"a", HEAD, b"Content-Encoding: caf\xe9\x1b \r\n")), **KEYWORD),
    web("a charset nobody knows", replying(answer(POISON, HEAD, b"Content-Type: text/html; charset=idna\xe9\r\n")),
        **KEYWORD),
    web("a chunk of no size", replying(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\na\r\n"), **KEYWORD),
    web("a chunk of all sizes", replying(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\na\r\n"),
        **KEYWORD),
    web("a chunk's extension without end", flooding(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;a="), **KEYWORD),
    web("a negative length", replying(HEAD + b"Content-Length: -5\r\n\r\nbody"), **KEYWORD),
    web("a length of 400 digits", replying(HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\nbody"), **KEYWORD),
    web("two lengths", replying(HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody"), **KEYWORD),
    web("length and chunks", replying(HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nbody"),
        **KEYWORD),
    web("a reset in the head", resetting(HEAD)),
    web("a reset in the body", resetting(HEAD + b"Content-Length: 99\r\n\r\nbo"), **KEYWORD),
    web("half closed and silent", half_closed),
    web("deaf", deaf),
    web("mute", silent),
    web("a head of a byte a second", dripping(HEAD + b"X-Slow: ")),
    web("a body of a byte a second", dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"), **KEYWORD),
]  # fmt: skip

WORDS = [
    web("redirects without end", computing(onward), max_redirects=20),
    web("a redirect to itself", replying(redirect(b"/"))),
    web("a redirect to a file", replying(redirect(b"file:///etc/passwd"))),
    web("a redirect to a script", replying(redirect(b"javascript:alert(1)"))),
    web("a redirect to no address", replying(redirect(b"http://[::bad/" + POISON))),
    web("a redirect to cloud metadata", replying(redirect(b"http://169.254.169.254/latest/meta-data/"))),
    web("a redirect to a port of six digits", replying(redirect(b"http://127.0.0.1:999999/"))),
    web("a redirect to half a surrogate pair", replying(redirect(b"http://h\xed\xa0\x80\xe9/" + b"\xff" * 9))),
    web("JSON 200,000 deep", json(DEEP), **QUERY),
    web("JSON with NaN and Infinity", json(b'{"a": {"c": NaN, "b": Infinity}}'), **QUERY),
    web("JSON with 10^400", json(b'{"a": {"b": 1e400}}'), **QUERY,
        assertions=value_is("1")),
    web("JSON with a number of 5,000 digits", json(b'{"a": {"b": ' + HUGE_NUMBER + b"}}"), **QUERY,
        assertions=value_is("1")),
    web("JSON with half a surrogate pair", json(b'{"a": {"b": "\\ud800 \\u0000 \\u202e \\u001b"}}'), **QUERY,
        assertions=value_is("1")),
    Kind(name="http: a token that is none", type="http", config=with_token,
         script=json(b'{"access_token": "a\\r\\nX-B: \\u0000\\u202e", "token_type": "bearer"}')),
    Kind(name="http: a token 200,000 deep", type="http", config=with_token, script=json(b'{"a": ' + DEEP + b"}")),
    Kind(name="http: a token with half a surrogate pair", type="http", config=with_token,
         script=json(b'{"access_token": "\\ud800", "token_type": "bearer"}')),
    web("NTLM that is none", replying(
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM " + b64encode(b"NTLMSSP\0\2\0\0\0" + b"\xff" * 40)
        + b"\r\nContent-Length: 0\r\n\r\n"),
        auth={"method": "ntlm", "username": "me", "password": "a secret"}),
    Kind(name="http: a pattern that takes long", type="http", config=at(regex=EXPONENTIAL), refused=True,
         script=replying(answer(b"a" * 1_000_000))),
    Kind(name="website: a header that is not UTF-8", type="website", config=at(),
         script=replying(BAD + b"X-Served-By: caf\xe9\r\n\r\n")),
    Kind(name="website: a body of 10 GB", type="website", config=at(expected_status=201),
         script=flooding(HEAD + b"\r\n")),
]  # fmt: skip


def rdap(name: str, body: bytes) -> Kind:
    """A registry that speaks RDAP."""
    return Kind(
        name=f"domain: {name}",
        type="domain",
        config=lambda port: {"domain": "example.org", "rdap_url": f"http://127.0.0.1:{port}/", "whois_server": None},
        script=json(body),
    )


def whois(name: str, script: Script) -> Kind:
    """A registry that speaks WHOIS."""
    config: dict[str, Any] = {"domain": "example.org", "rdap_url": "", "whois_server": "127.0.0.1"}
    return Kind(
        name=f"domain: {name}", type="domain", config=lambda port: {**config, "whois_port": port}, script=script
    )


ENDED = b'{"events": [{"eventAction": "expiration", "eventDate": "2001-01-01"}], '
REGISTRIES = [
    rdap("half a surrogate pair in RDAP",
         ENDED + b'"entities": [{"roles": ["registrar"], "vcardArray": ["", [["fn", "", "", "\\ud800\\u0000"]]]}],'
         b' "status": ["\\ud800", 1' + b"0" * 400 + b", NaN]}"),
    rdap("NUL in RDAP",
         ENDED + b'"entities": [{"roles": ["registrar"], "vcardArray": ["", [["fn", "", "", "\\u0000\\u202e"]]]}],'
         b' "status": ["\\u0000\\u001b"]}'),
    rdap("a date that is none in RDAP",
         b'{"events": [{"eventAction": "expiration", "eventDate": "99999-99-99T99:99:99+99:99"}]}'),
    rdap("RDAP 200,000 deep", DEEP),
    whois("WHOIS with words that are none", replying(b"Registrar: " + POISON + b"\r\nExpiry Date: 2001-01-01\r\n")),
    whois("WHOIS without end", flooding(b"", b"% " + POISON)),
    whois("WHOIS with 5,000 dates that are none", replying(b"Expires: 99-Foo-9999\r\n" * 5_000)),
    whois("WHOIS that refers to nowhere", replying(b"refer: whois://" + POISON + b"/../\r\n")),
]  # fmt: skip


def docker(name: str, script: Script) -> Kind:
    """A Docker daemon."""
    return Kind(
        name=f"docker: {name}",
        type="docker",
        config=lambda port: {"container": "web", "daemon": f"tcp://127.0.0.1:{port}"},
        script=script,
    )


def node(name: str, script: Script) -> Kind:
    """A RabbitMQ's management."""
    config = {"username": "me", "password": "a secret"}
    return Kind(
        name=f"rabbitmq: {name}",
        type="rabbitmq",
        config=lambda port: {"nodes": [f"http://127.0.0.1:{port}"], **config},
        script=script,
    )


DAEMONS = [
    docker("words that are none", json(b'{"message": "\\ud800 \\u0000 \\u202e"}', b"HTTP/1.1 500 No\r\n")),
    docker("NUL in its words", json(b'{"message": "no \\u0000 \\u001b[31m such"}', b"HTTP/1.1 500 No\r\n")),
    docker("an exit code of 400 digits", json(b'{"State": {"Status": "exited", "ExitCode": ' + b"9" * 400 + b"}}")),
    docker(
        "an error that is none", json(b'{"State": {"Status": "exited", "ExitCode": 1, "Error": "a\\u0000\\u202eb"}}')
    ),
    docker("JSON 200,000 deep", json(b'{"State": ' + DEEP + b"}")),
    docker("a body without end", flooding(HEAD + b"\r\n")),
    node("a reason that is none", json(b'{"reason": "\\u0000 \\u001b[31m \\u202e"}', b"HTTP/1.1 503 No\r\n")),
    node("a reason with half a surrogate pair", json(b'{"reason": "\\ud800"}', b"HTTP/1.1 503 No\r\n")),
    node("JSON 200,000 deep", json(b'{"a": ' + DEEP + b"}", b"HTTP/1.1 503 No\r\n")),
    node("a body without end", flooding(b"HTTP/1.1 503 No\r\n\r\n")),
]

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


def shaken(after: bytes, headers: bytes = b"") -> Script:
    """Accepts a WebSocket as it should be, then sends this."""

    def reply(request: bytes) -> bytes:
        key = request.lower().partition(b"sec-websocket-key: ")[0]
        client_key = request[len(key) + 19 :].partition(b"\r\n")[0]
        guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        return ACCEPTED + b64encode(hashlib.sha1(client_key + guid).digest()) + b"\r\n" + headers + b"\r\n" + after

    return computing(reply)


def socket(name: str, script: Script, **more: Any) -> Kind:
    """A WebSocket."""
    config = at(scheme="ws", **{"expect": "needle", **more})
    return Kind(name=f"websocket: {name}", type="websocket", config=config, script=script)


CLOSING = b"\x03\xf0" + b"caf\xc3\xa9 \0 \x1b[31m \xe2\x80\xae"
SOCKETS = [
    socket("a close reason that is none", shaken(bytes([0x88, len(CLOSING)]) + CLOSING)),
    socket("a close reason that is not UTF-8", shaken(b"\x88\x07\x03\xf0\xff\xfe\0\xed\xa0")),
    socket("a close code of one byte", shaken(b"\x88\x01\x03")),
    socket("a text that is not UTF-8", shaken(bytes([0x81, len(POISON)]) + POISON)),
    socket("a frame of all sizes", shaken(b"\x81\x7f" + b"\xff" * 8 + b"a" * 99)),
    socket("a masked frame with reserved bits", shaken(b"\xf3\x85" + b"\xff" * 9)),
    socket("messages without end", shaken(b"\x81\x01a" * 20_000)),
    socket("pings without end", shaken(b"\x89\x00" * 50_000)),
    socket("a subprotocol that is none", shaken(b"", b"Sec-WebSocket-Protocol: caf\xe9\x1b\r\n"), subprotocol="chat"),
    socket("an answer to another handshake", replying(ACCEPTED + b"bm9uZQ==\r\n\r\n")),
    socket("a packing nobody asked for", shaken(b"\xc1\x05\xff\xff\xff\xff\xff",
                                              b"Sec-WebSocket-Extensions: permessage-deflate; a=\xe9\r\n")),
    socket("a banner instead", sending(POISON)),
]  # fmt: skip

KINDS = [*HEADS, *BODIES, *WORDS, *REGISTRIES, *DAEMONS, *SOCKETS]
