"""Requests over HTTP: addresses, headers, bodies, and what is looked for in an answer."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree as ET

from app.domain.config_rules.error import Fault
from app.domain.parsing import untrusted_json
from app.domain.parsing.hosts import wire_host
from app.domain.validation import regex
from schema.channels import Webhook
from schema.proxies import Protocol
from schema.targets import Website, WebSocket
from schema.targets.http import Encoding, Http, Ntlm

_BREAK = re.compile(r"[\r\n\0]")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
# What says where a message ends, or is for the next hop only (RFC 9110, 7.6.1), and what a WebSocket agrees on.
FRAMING = frozenset(
    {
        *("connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
HANDSHAKE = frozenset(f"sec-websocket-{one}" for one in ("accept", "extensions", "key", "protocol", "version"))
_PAIR = re.compile(r"(?:[^\s&=%]|%[0-9A-Fa-f]{2})+=(?:[^\s&%]|%[0-9A-Fa-f]{2})*")  # each character in one way only
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_PLACE = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
MOST_PORTS = 65_535


def address_fault(text: str) -> str:
    """What would be right of an address that can't be asked; empty for one that can."""
    found = _URL.fullmatch(text)
    place = found and _PLACE.fullmatch(found.group(2).rpartition("@")[2])
    if not place:
        return "must be an address such as https://example.org:8443/path: its host and port can't be told apart"
    host, port = place.groups()
    if not host:
        return "must be an address with a host in it"
    if port and not 0 < int(port[:10]) <= MOST_PORTS:
        return f"must have a port from 1 to {MOST_PORTS}"
    try:
        wire_host(host)
    except ValueError as error:
        return f"must be an address whose host can be asked for; that {error}"
    return _unreadable(text)


def _unreadable(text: str) -> str:
    """What the library that asks says of it; its rules are finer."""
    from yarl import URL  # noqa: PLC0415  # most requests to the API change no address

    try:
        return "" if URL(text).raw_host else "must be an address with a host in it"
    except ValueError as error:
        return f"must be an address that can be asked: {str(error)[:120]}"


def http_faults(config: Http) -> Iterator[Fault]:
    """Of an `http` monitor."""
    if config.regex:
        yield from _regex(config)
    if config.json_query:
        from app.domain.validation import json_query  # noqa: PLC0415  # libraries that most monitors never need

        query = partial(json_query.compiled, config.json_query_language, config.json_query)
        yield from _raising("json_query", str(config.json_query_language), query)
    yield from header_faults(config.headers)
    yield from _body(config)
    if isinstance(config.auth, Ntlm):
        yield from _ntlm(config.auth)


def website_faults(config: Website) -> Iterator[Fault]:
    """Of a `website` monitor."""
    yield from header_faults(config.headers)


def websocket_faults(config: WebSocket) -> Iterator[Fault]:
    """Of a `websocket` monitor."""
    yield from header_faults(config.headers, FRAMING | HANDSHAKE)


def proxy_fault(target: object, protocol: Protocol) -> str:
    """Why this target can't be reached through such a proxy; empty when it can."""
    is_plain_socket = isinstance(target, WebSocket) and target.url[:3].lower() == "ws:"
    if is_plain_socket and protocol is Protocol.HTTPS:
        return "must not be an https proxy for ws://, which it does not carry: take wss://, or another protocol"
    return ""


def webhook_faults(config: Webhook) -> Iterator[Fault]:
    """Of a webhook."""
    yield from header_faults(config.headers)


def header_faults(headers: dict[str, str], refused: frozenset[str] = FRAMING) -> Iterator[Fault]:
    """Names that are names, and not those of the message's own frame; values of one line."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            yield "headers", f"{name[:40]!r} is not the name of a header"
        elif name.lower() in refused:
            yield f"headers.{name}", "belongs to the connection: leave it out, we send what is right"
        elif _BREAK.search(value):
            yield f"headers.{name}", "must be one line"


def _ntlm(auth: Ntlm) -> Iterator[Fault]:
    if find_spec("spnego") is None:
        yield "auth.method", "ntlm needs what this installation does not have: install watchkeeper[ntlm]"
    if not auth.username:
        yield "auth.username", "must not be empty"


def _regex(config: Http) -> Iterator[Fault]:
    """The pattern can be read, and can be held against as much as is read of a body."""
    try:
        most = regex.most_bytes(config.regex)
    except ValueError as error:
        yield "regex", f"is not RE2: {error}"
        return
    if most < config.max_body_bytes:
        yield "regex", f"is too large for `max_body_bytes`: repeat less often, or read {most:,} bytes at most"


def _raising(field: str, language: str, read: Callable[[], Any]) -> Iterator[Fault]:
    try:
        read()
    except ValueError as error:
        yield field, f"is not {language}: {error}"


def _body(config: Http) -> Iterator[Fault]:
    """A body must be what its encoding says."""
    if config.body and config.encoding and (words := READERS[config.encoding](config.body)):
        yield "body", words
    if config.encoding and any(name.lower() == "content-type" for name in config.headers):
        yield "encoding", "must be empty when the headers have a Content-Type: only one can be sent"


def _json(body: str) -> str:
    try:
        untrusted_json.decoded(body)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    return ""


def _xml(body: str) -> str:
    if "<!DOCTYPE" in body:
        return "must be XML without a DOCTYPE"
    try:
        ET.fromstring(body)  # noqa: S314  # without a DTD there are no entities to unfold
    except (ET.ParseError, ValueError) as error:
        return f"is not XML: {error}"
    return ""


def _form(body: str) -> str:
    holds = all(_PAIR.fullmatch(one) for one in body.split("&"))
    return "" if holds else "is not a form: pairs such as a=1&b=2, blanks and the like as %20"


READERS: dict[Encoding, Callable[[str], str]] = {
    Encoding.JSON: _json,
    Encoding.FORM: _form,
    Encoding.XML: _xml,
    Encoding.TEXT: lambda _: "",
}
