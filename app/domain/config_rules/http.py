"""Validates HTTP requests: URLs, headers, bodies, and conditions on the response."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any
from xml.etree import ElementTree as ET

from app.domain.config_rules.error import ConfigError
from app.domain.parsing import untrusted_json
from app.domain.parsing.hosts import wire_host
from app.domain.text import request_templates
from app.domain.validation import regex
from schema.channels import Smtp, Webhook
from schema.proxies import ProxyProtocol
from schema.targets import Website, WebSocket
from schema.targets.http import Encoding, Http, HttpBearerAuth, HttpDigestAuth, Ntlm

_CONTROL_CHARS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # what no header can have (RFC 9110, 5.5)
NOT_ONE_LINE = "must be one line without control characters"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.1
# Headers that frame a message or are for the next hop only (RFC 9110, 7.6.1).
FRAMING_HEADERS = frozenset(
    {
        *("connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade"),
    }
)
HANDSHAKE_HEADERS = frozenset(
    f"sec-websocket-{name}" for name in ("accept", "extensions", "key", "protocol", "version")
)
# Each character matches in one way only.
_FORM_PAIR = re.compile(r"(?:[^\s&=%]|%[0-9A-Fa-f]{2})+=(?:[^\s&%]|%[0-9A-Fa-f]{2})*")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
MAX_PORT = 65_535


def url_error(text: str) -> str:
    """What an unusable URL must be; empty for a usable one."""
    url = _URL.fullmatch(text)
    host_port = url and _HOST_PORT.fullmatch(url.group(2).rpartition("@")[2])
    if not host_port:
        return "must be an address such as https://example.org:8443/path; its host or port is malformed"
    host, port = host_port.groups()
    if not host:
        return "must be an address with a host in it"
    if port and not 0 < int(port[:10]) <= MAX_PORT:
        return f"must have a port from 1 to {MAX_PORT}"
    try:
        wire_host(host)
    except ValueError as error:
        return f"must be an address with a valid host; it {error}"
    return _yarl_error(text)


def _yarl_error(text: str) -> str:
    """The error of the library that sends the requests; its rules are stricter."""
    from yarl import URL  # noqa: PLC0415  # most requests to the API change no URL

    try:
        return "" if URL(text).raw_host else "must be an address with a host in it"
    except ValueError as error:
        return f"must be a valid address: {str(error)[:120]}"


def http_errors(config: Http) -> Iterator[ConfigError]:
    """Errors of an `http` monitor."""
    if config.regex:
        yield from _regex_errors(config)
    if config.json_query:
        from app.domain.validation import json_query  # noqa: PLC0415  # libraries that most monitors never need

        query = partial(json_query.compile_query, config.json_query_language, config.json_query)
        yield from _parse_errors("json_query", str(config.json_query_language), query)
    yield from header_errors(config.headers)
    yield from _body_errors(config)
    yield from _auth_errors(config.auth)


def website_errors(config: Website) -> Iterator[ConfigError]:
    """Errors of a `website` monitor."""
    yield from header_errors(config.headers)


def websocket_errors(config: WebSocket) -> Iterator[ConfigError]:
    """Errors of a `websocket` monitor."""
    yield from header_errors(config.headers, FRAMING_HEADERS | HANDSHAKE_HEADERS)


def proxy_error(target: object, protocol: ProxyProtocol) -> str:
    """Why this target or channel can't be reached through a proxy of this protocol; empty when it can."""
    is_plain_socket = isinstance(target, WebSocket) and target.url[:3].lower() == "ws:"
    if is_plain_socket and protocol is ProxyProtocol.HTTPS:
        return "must not be an https proxy for ws://, which it does not support; use wss://, or another protocol"
    if isinstance(target, Smtp) and protocol is ProxyProtocol.HTTPS:
        return "must not be an https proxy for a mail server, which it does not support; use another protocol"
    return ""


def webhook_errors(config: Webhook) -> Iterator[ConfigError]:
    """Errors of a webhook."""
    yield from header_errors(config.headers)
    yield from _webhook_login_errors(config)
    if config.body or config.query:
        yield from request_templates.template_errors(config)


def _webhook_login_errors(config: Webhook) -> Iterator[ConfigError]:
    """A user name and a token must fit into the header, which no other one replaces."""
    if ":" in config.username or _CONTROL_CHARS.search(config.username):
        yield "username", "must be one line without a colon"
    if _CONTROL_CHARS.search(config.bearer_token):
        yield "bearer_token", NOT_ONE_LINE
    if config.bearer_token or config.username or config.password:
        for name in config.headers:
            if name.lower() == "authorization":
                yield f"headers.{name}", "is set by the fields of the sign-in; leave it out"


def header_errors(headers: dict[str, str], forbidden: frozenset[str] = FRAMING_HEADERS) -> Iterator[ConfigError]:
    """Header names must be valid and not forbidden, and values one line without control characters."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield "headers", f"{name[:40]!r} is not the name of a header"
        elif name.lower() in forbidden:
            yield f"headers.{name}", "is set automatically; leave it out"
        elif _CONTROL_CHARS.search(value):
            yield f"headers.{name}", NOT_ONE_LINE


def _auth_errors(auth: object) -> Iterator[ConfigError]:
    """A token and a user name that are sent in a header as they are must fit into it."""
    match auth:
        case HttpBearerAuth() if _CONTROL_CHARS.search(auth.token):
            yield "auth.token", NOT_ONE_LINE
        case HttpDigestAuth() if _CONTROL_CHARS.search(auth.username):
            yield "auth.username", NOT_ONE_LINE
        case Ntlm():
            yield from _ntlm_errors(auth)


def _ntlm_errors(auth: Ntlm) -> Iterator[ConfigError]:
    if find_spec("spnego") is None:
        yield "auth.method", "ntlm needs a library that is not installed; `just extra ntlm` installs it"
    if not auth.username:
        yield "auth.username", "must not be empty"


def _regex_errors(config: Http) -> Iterator[ConfigError]:
    """The pattern must be valid, and cheap enough for as much of the body as is read."""
    try:
        max_bytes = regex.max_bytes(config.regex)
    except ValueError as error:
        yield "regex", f"is not RE2: {error}"
        return
    if max_bytes < config.max_body_bytes:
        yield (
            "regex",
            f"is too expensive for `max_body_bytes`; use fewer repetitions, or read at most {max_bytes:,} bytes",
        )


def _parse_errors(field: str, language: str, parse: Callable[[], Any]) -> Iterator[ConfigError]:
    try:
        parse()
    except ValueError as error:
        yield field, f"is not {language}: {error}"


def _body_errors(config: Http) -> Iterator[ConfigError]:
    """A body must match its encoding."""
    if config.body and config.encoding and (message := BODY_CHECKS[config.encoding](config.body)):
        yield "body", message
    if config.encoding and any(name.lower() == "content-type" for name in config.headers):
        yield "encoding", "must be empty if the headers have a Content-Type"


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
        ET.fromstring(body)  # noqa: S314  # without a DTD there are no entities to expand
    except (ET.ParseError, ValueError) as error:
        return f"is not XML: {error}"
    return ""


def _form_error(body: str) -> str:
    is_form = all(_FORM_PAIR.fullmatch(pair) for pair in body.split("&"))
    return "" if is_form else "is not a form; write pairs such as a=1&b=2, with spaces as %20"


BODY_CHECKS: dict[Encoding, Callable[[str], str]] = {
    Encoding.JSON: _json_error,
    Encoding.FORM: _form_error,
    Encoding.XML: _xml_error,
    Encoding.TEXT: lambda _: "",
}
