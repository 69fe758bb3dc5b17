"""Redacts a channel's secrets from its delivery log. Pure."""

import base64
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints
from urllib.parse import quote, unquote

from msgspec import Meta, Struct

from app.domain.text.message_text import one_line
from app.security.secrets import config_views
from schema.field_types import MASK

REASON_LIMIT = 300  # characters of a reason in the log
_MIN_PIECE_LENGTH = 8  # characters from which a part of a secret is redacted too
_HOST = re.compile(r"^https?://[^/?#]*")
_LOGIN_FIELDS = ("username", "account_sid", "api_key_sid")
_PAIR = re.compile(r"^\w+://([^/?#@:]*):([^/?#@]+)@")
_SEPARATORS = re.compile(r"[^A-Za-z0-9_-]+")


def redact_reason(reason: str, config: Struct) -> str:
    """Mask every secret of the channel, in every encoding; one line, truncated."""
    for secret in sorted(set(_forms(config)), key=len, reverse=True):
        reason = reason.replace(secret, MASK)
    return one_line(reason.encode(errors="replace").decode(), REASON_LIMIT)  # SMTP replies may hold stray surrogates


def _forms(config: Struct) -> Iterator[str]:
    """Each secret as it is, URL-encoded, and in base64 as sent on the wire."""
    for secret in _secrets(config):
        yield from (secret, quote(secret, safe=""), _base64(secret))
        yield from (piece for piece in _pieces(secret) if len(piece) >= _MIN_PIECE_LENGTH)
        for name in _login_names(config):  # HTTP Basic, SMTP PLAIN
            yield from (_base64(f"{name}:{secret}"), _base64(f"\0{name}\0{secret}"))
        yield from _url_credentials(secret)
    yield from (one for one in config_views.hidden_values(config) if len(one) >= _MIN_PIECE_LENGTH)


def _login_names(config: Struct) -> Iterator[str]:
    """User names that may be sent together with a secret."""
    yield from (value for name in _LOGIN_FIELDS if isinstance(value := getattr(config, name, ""), str))


def _pieces(secret: str) -> Iterator[str]:
    """Parts of a secret. Of a URL: what follows its host, since the host may be shown."""
    rest = _HOST.sub("", secret)
    yield from (rest, *_SEPARATORS.split(rest), *_SEPARATORS.split(unquote(rest)))


def _url_credentials(secret: str) -> Iterator[str]:
    """The password of a URL with credentials, alone and as HTTP Basic sends the pair."""
    if found := _PAIR.match(secret):
        name, password = map(unquote, found.groups())
        yield from (password, quote(password, safe=""), _base64(password), _base64(f"{name}:{password}"))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _secrets(config: Struct) -> Iterator[str]:
    """Values of the fields marked secret, and every URL: it lets anybody send."""
    for name, hint in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        secret = _is_secret(hint)
        if isinstance(value, dict):
            yield from (one for one in value.values() if one and secret)
        elif isinstance(value, str) and value and (secret or name == "url"):
            yield value


def _is_secret(hint: Any) -> bool:
    """Whether a field, or the values that it holds, is marked secret."""
    marks = (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Meta))
    return any((mark.extra or {}).get("secret") for mark in marks) or any(map(_is_secret, get_args(hint)))
