"""What must hold of a config beyond its types: patterns that compile, bodies that are what they say, keys that fit.

Pure. A type that has such rules has a function here; `app/store/configs.py` asks once, before a config is kept.
"""

import re
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import chain
from typing import Any
from xml.etree import ElementTree as ET

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding as Form, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from app.domain import addressed, assertable, foreign_json, patterns, reach, vapid
from schema.channels import Apprise, Webhook, Webpush
from schema.errors import FieldError
from schema.settings import EgressPolicy
from schema.targets import Website, WebSocket
from schema.targets.http import Encoding, Http, Ntlm

Fault = tuple[str, str]  # field, what would be right

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


def faults(config: Any) -> list[FieldError]:
    """Every field that does not hold, by its dotted path in the config; secrets must be open."""
    rules = RULES.get(type(config))
    found = chain(rules(config) if rules else (), assertable.faults(config))
    return [FieldError(field, words) for field, words in found]


def _of_http(config: Http) -> Iterator[Fault]:
    if config.regex:
        yield from _regex(config)
    if config.json_query:
        from app.domain import json_query  # noqa: PLC0415  # libraries that most monitors never need

        query = partial(json_query.compiled, config.json_query_language, config.json_query)
        yield from _raising("json_query", str(config.json_query_language), query)
    yield from _headers(config.headers)
    yield from _body(config)
    yield from _keys(config.tls_cert, config.tls_key, config.tls_ca)
    if isinstance(config.auth, Ntlm) and find_spec("spnego") is None:
        yield "auth.method", "ntlm needs what this installation does not have: install watchkeeper[ntlm]"


def _regex(config: Http) -> Iterator[Fault]:
    """The pattern can be read, and can be held against as much as is read of a body."""
    try:
        most = patterns.most_bytes(config.regex)
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
        foreign_json.decoded(body)
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


def _keys(cert: str, key: str, authorities: str) -> Iterator[Fault]:
    """Certificate and key come together and belong together; all of them can be read."""
    if bool(cert) is not bool(key):
        yield ("tls_key", "is required beside tls_cert") if cert else ("tls_cert", "is required beside tls_key")
    owner = holder = None
    try:
        owner = _spoken(load_pem_x509_certificates(cert.encode())[0].public_key()) if cert else None
    except ValueError:
        yield "tls_cert", "must be a certificate in PEM"
    try:
        holder = _spoken(load_pem_private_key(key.encode(), None).public_key()) if key else None
    except (ValueError, TypeError, AttributeError):
        yield "tls_key", "must be a private key in PEM, without a passphrase"
    if owner and holder and owner != holder:
        yield "tls_key", "is not the certificate's key"
    if authorities:
        yield from _authorities(authorities)


def _spoken(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Form.DER, PublicFormat.SubjectPublicKeyInfo)


def _authorities(authorities: str) -> Iterator[Fault]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authorities)
    except (ssl.SSLError, ValueError):
        yield "tls_ca", "must be certificates in PEM"


def _of_egress(policy: EgressPolicy) -> Iterator[Fault]:
    for field, networks in (("allow", policy.allow), ("deny", policy.deny)):
        for number, network in enumerate(networks):
            try:
                reach.network_of(network)
            except ValueError:
                yield f"{field}.{number}", "must be an IP address, or a network such as 10.0.0.0/8 or fd00::/8"


def _of_website(config: Website) -> Iterator[Fault]:
    yield from _headers(config.headers)


def _of_websocket(config: WebSocket) -> Iterator[Fault]:
    yield from _headers(config.headers, FRAMING | HANDSHAKE)


def _of_webhook(config: Webhook) -> Iterator[Fault]:
    yield from _headers(config.headers)


def _headers(headers: dict[str, str], refused: frozenset[str] = FRAMING) -> Iterator[Fault]:
    """Names that are names, and not those of the message's own frame; values of one line."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            yield "headers", f"{name[:40]!r} is not the name of a header"
        elif name.lower() in refused:
            yield f"headers.{name}", "belongs to the connection: leave it out, we send what is right"
        elif _BREAK.search(value):
            yield f"headers.{name}", "must be one line"


def _of_webpush(config: Webpush) -> Iterator[Fault]:
    if not _reads(vapid.public_key, config.p256dh):
        yield "p256dh", "must be a point on P-256: take it from the subscription as it is"
    if not _reads(vapid.private_key, config.private_key):
        yield "private_key", "must be a number that P-256 has: `watchkeeper webpush-key` makes one"


def _reads(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


RULES: dict[type, Callable[[Any], Iterator[Fault]]] = {
    Http: _of_http,
    Website: _of_website,
    WebSocket: _of_websocket,
    EgressPolicy: _of_egress,
    Apprise: addressed.faults,
    Webhook: _of_webhook,
    Webpush: _of_webpush,
}
