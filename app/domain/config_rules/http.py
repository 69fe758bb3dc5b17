"""Requests over HTTP: addresses, headers, bodies, and what is looked for in an answer."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree as ET

from app.domain.config_rules.error import ConfigError
from app.domain.parsing import untrusted_json
from app.domain.parsing.hosts import wire_host
from app.domain.validation import regex
from schema.channels import Webhook
from schema.proxies import ProxyProtocol
from schema.targets import Website, WebSocket
from schema.targets.http import Encoding, Http, Ntlm

_LINE_BREAK = re.compile(r"[\r\n\0]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
# What says where a message ends, or is for the next hop only (RFC 9110, 7.6.1), and what a WebSocket agrees on.
FRAMING_HEADERS = frozenset(
    {
        *("connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
HANDSHAKE_HEADERS = frozenset(f"sec-websocket-{one}" for one in ("accept", "extensions", "key", "protocol", "version"))
_FORM_PAIR = re.compile(r"(?:[^\s&=%]|%[0-9A-Fa-f]{2})+=(?:[^\s&%]|%[0-9A-Fa-f]{2})*")  # each character in one way only
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
MAX_PORT = 65_535


def url_error(text: str) -> str:
    """What would be right of an address that can't be asked; empty for one that can."""
    found = _URL.fullmatch(text)
    place = found and _HOST_PORT.fullmatch(found.group(2).rpartition("@")[2])
    if not place:
        return "must be an address such as https://example.org:8443/path: its host and port can't be told apart"
    host, port = place.groups()
    if not host:
        return "must be an address with a host in it"
    if port and not 0 < int(port[:10]) <= MAX_PORT:
        return f"must have a port from 1 to {MAX_PORT}"
    try:
        wire_host(host)
    except ValueError as error:
        return f"must be an address whose host can be asked for; that {error}"
    return _yarl_error(text)


def _yarl_error(text: str) -> str:
    """What the library that asks says of it; its rules are finer."""
    from yarl import URL  # noqa: PLC0415  # most requests to the API change no address

    try:
        return "" if URL(text).raw_host else "must be an address with a host in it"
    except ValueError as error:
        return f"must be an address that can be asked: {str(error)[:120]}"


def http_errors(config: Http) -> Iterator[ConfigError]:
    """Of an `http` monitor."""
    if config.regex:
        yield from _regex_errors(config)
    if config.json_query:
        from app.domain.validation import json_query  # noqa: PLC0415  # libraries that most monitors never need

        query = partial(json_query.compile_query, config.json_query_language, config.json_query)
        yield from _parse_errors("json_query", str(config.json_query_language), query)
    yield from header_errors(config.headers)
    yield from _body_errors(config)
    if isinstance(config.auth, Ntlm):
        yield from _ntlm_errors(config.auth)


def website_errors(config: Website) -> Iterator[ConfigError]:
    """Of a `website` monitor."""
    yield from header_errors(config.headers)


def websocket_errors(config: WebSocket) -> Iterator[ConfigError]:
    """Of a `websocket` monitor."""
    yield from header_errors(config.headers, FRAMING_HEADERS | HANDSHAKE_HEADERS)


def proxy_error(target: object, protocol: ProxyProtocol) -> str:
    """Why this target can't be reached through such a proxy; empty when it can."""
    is_plain_socket = isinstance(target, WebSocket) and target.url[:3].lower() == "ws:"
    if is_plain_socket and protocol is ProxyProtocol.HTTPS:
        return "must not be an https proxy for ws://, which it does not carry: take wss://, or another protocol"
    return ""


def webhook_errors(config: Webhook) -> Iterator[ConfigError]:
    """Of a webhook."""
    yield from header_errors(config.headers)


def header_errors(headers: dict[str, str], forbidden: frozenset[str] = FRAMING_HEADERS) -> Iterator[ConfigError]:
    """Names that are names, and not those of the message's own frame; values of one line."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield "headers", f"{name[:40]!r} is not the name of a header"
        elif name.lower() in forbidden:
            yield f"headers.{name}", "belongs to the connection: leave it out, we send what is right"
        elif _LINE_BREAK.search(value):
            yield f"headers.{name}", "must be one line"


def _ntlm_errors(auth: Ntlm) -> Iterator[ConfigError]:
    if find_spec("spnego") is None:
        yield "auth.method", "ntlm needs what this installation does not have: install watchkeeper[ntlm]"
    if not auth.username:
        yield "auth.username", "must not be empty"


def _regex_errors(config: Http) -> Iterator[ConfigError]:
    """The pattern can be read, and can be held against as much as is read of a body."""
    try:
        most = regex.max_bytes(config.regex)
    except ValueError as error:
        yield "regex", f"is not RE2: {error}"
        return
    if most < config.max_body_bytes:
        yield "regex", f"is too large for `max_body_bytes`: repeat less often, or read {most:,} bytes at most"


def _parse_errors(field: str, language: str, read: Callable[[], Any]) -> Iterator[ConfigError]:
    try:
        read()
    except ValueError as error:
        yield field, f"is not {language}: {error}"


def _body_errors(config: Http) -> Iterator[ConfigError]:
    """A body must be what its encoding says."""
    if config.body and config.encoding and (words := BODY_CHECKS[config.encoding](config.body)):
        yield "body", words
    if config.encoding and any(name.lower() == "content-type" for name in config.headers):
        yield "encoding", "must be empty when the headers have a Content-Type: only one can be sent"


def _json_error(body: str) -> str:
    try:
        untrusted_json.decode(body)
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    return ""


def _xml_error(body: str) -> str:
    if "<!DOCTYPE" in body:
        return "must be XML without a DOCTYPE"
    try:
        ET.fromstring(body)  # noqa: S314  # without a DTD there are no entities to unfold
    except (ET.ParseError, ValueError) as error:
        return f"is not XML: {error}"
    return ""


def _form_error(body: str) -> str:
    holds = all(_FORM_PAIR.fullmatch(one) for one in body.split("&"))
    return "" if holds else "is not a form: pairs such as a=1&b=2, blanks and the like as %20"


BODY_CHECKS: dict[Encoding, Callable[[str], str]] = {
    Encoding.JSON: _json_error,
    Encoding.FORM: _form_error,
    Encoding.XML: _xml_error,
    Encoding.TEXT: lambda _: "",
}
