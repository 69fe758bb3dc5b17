"""Masks a monitor's secrets in its results: targets echo what they receive. Pure."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from actors.probes.kit.result import ProbeResult
from actors.probes.kit.threads import run_in_thread
from app.security.secrets import config_views, sealing
from schema.field_types import MASK
from schema.monitors import Snapshot

INLINE_CHARS = 8_192  # of secrets that the event loop masks itself
MIN_HIDDEN_CHARS = 8  # the same for values that are not secret by their name
MAX_REMEMBERED = 20_000  # monitors
MIN_SECRET_CHARS = 3  # shorter secrets are not masked: they occur in any text
USERNAME_FIELDS = ("username", "auth_username", "client_id")


class SecretHolder(NamedTuple):
    """A config and the secrets in it."""

    config: Struct
    secrets: frozenset[str]


class SecretForms:
    """The forms in which a monitor's secrets may come back: found once for each version, not for each failed check."""

    def __init__(self) -> None:
        self._by_series: dict[int, tuple[Snapshot, list[str]]] = {}

    async def redact(self, result: ProbeResult, snapshot: Snapshot) -> ProbeResult:
        """As `redact`; in a thread for a monitor with thousands of lines to mask."""
        known = self._by_series.get(snapshot.series)
        if known is not None and known[0] is snapshot:
            return redact(result, known[1])
        holders = secret_holders(snapshot)
        if sum(len(secret) for one in holders for secret in one.secrets) > INLINE_CHARS:
            return await run_in_thread(lambda: redact(result, secret_forms(holders)))
        if len(self._by_series) >= MAX_REMEMBERED:
            self._by_series.clear()
        self._by_series[snapshot.series] = snapshot, (forms := secret_forms(holders))
        return redact(result, forms)


redact_result = SecretForms().redact  # of this process


def secret_holders(snapshot: Snapshot) -> list[SecretHolder]:
    """The configs of a monitor and of its proxy that may hold secrets."""
    configs = [one for one in (snapshot.target, snapshot.proxy) if one is not None and _may_hold_secrets(type(one))]
    return [
        SecretHolder(one, frozenset(sealing.secrets_of(one).values()) - _default_values(type(one)) - {""})
        for one in configs
    ]


def secret_forms(holders: Sequence[SecretHolder]) -> list[str]:
    """Every form of their secrets, longest first: a secret may be part of another one."""
    forms = {form for one in holders for form in _secret_forms(one) if len(form) >= MIN_SECRET_CHARS}
    forms |= {form for one in holders for form in _hidden_values(one.config) if len(form) >= MIN_HIDDEN_CHARS}
    return sorted(forms, key=len, reverse=True)


def redact(result: ProbeResult, forms: Sequence[str]) -> ProbeResult:
    """The result with every secret masked, in whatever form it came back."""
    text = "\n".join(_texts_in([result.message, result.detail]))
    present = [form for form in forms if form in text]
    if not present:
        return result
    return msgspec.structs.replace(
        result, message=_replace_forms(result.message, present), detail=_replace_forms(result.detail, present)
    )


def _texts_in(value: Any) -> Iterator[str]:
    """Every text in the value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts_in([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts_in(one)


@cache
def _may_hold_secrets(kind: type[Struct]) -> bool:
    types = [one.type for one in msgspec.structs.fields(kind)]
    return any(map(sealing.is_secret, types)) or any(map(config_views.restriction_of, types))


@cache
def _default_values(kind: type[Struct]) -> frozenset[str]:
    """Defaults, such as SNMP's community `public`: everybody knows them, and they are ordinary words."""
    return frozenset(one.default for one in msgspec.structs.fields(kind) if isinstance(one.default, str))


def _secret_forms(holder: SecretHolder) -> Iterator[str]:
    """Each secret as it is, URL-encoded, in base64, and joined with a user name as HTTP and SMTP send it."""
    names = list(_usernames(holder.config)) if holder.secrets else []
    for secret in holder.secrets:
        for one in (secret, *_secret_parts(secret)):
            yield from (one, quote(one, safe=""), _base64(one))
            yield from (_base64(pair) for name in names for pair in (f"{name}:{one}", f"\0{name}\0{one}"))


def _hidden_values(config: Struct) -> Iterator[str]:
    """What viewers may not see, and the values of a query string: they may be tokens."""
    for text in config_views.hidden_values(config):
        yield from (text, *(one.partition("=")[2] for one in text.split("&")))


def _secret_parts(secret: str) -> Iterator[str]:
    """The password in a connection string; the lines of a key."""
    authority = secret.partition("://")[2].rpartition("@")[0]
    if ":" in authority:
        yield unquote(authority.partition(":")[2])
    if "\n" in secret:
        yield from (line for line in secret.splitlines() if not line.startswith("-----"))


def _usernames(config: Struct) -> Iterator[str]:
    """Our user names, wherever they occur in a config."""
    for field, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Struct):
            yield from _usernames(value)
        elif field in USERNAME_FIELDS and value:
            yield value


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


def _replace_forms(value: Any, forms: list[str]) -> Any:
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, MASK)
        return value
    if isinstance(value, dict):
        return {_replace_forms(name, forms): _replace_forms(one, forms) for name, one in value.items()}
    return [_replace_forms(one, forms) for one in value] if isinstance(value, list | tuple) else value
