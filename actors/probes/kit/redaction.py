"""Keeps a monitor's secrets out of what its checks say: targets repeat what they were sent. Pure."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from actors.probes.kit.result import Seen
from actors.probes.kit.threads import off_loop
from app.security.secrets import config_views, sealing
from schema.field_types import MASK
from schema.monitors import Snapshot

PROMPT_CHARS = 8_192  # of secrets
TELLING_OF_MORE = 8  # the same of what is no secret by its name
TELLING = 3  # characters from which on a secret is looked for: shorter ones stand in any text
NAMES = ("username", "auth_username", "client_id")


class Holder(NamedTuple):
    """A config, and the secrets that stand in it."""

    config: Struct
    secrets: frozenset[str]


async def masked(seen: Seen, snapshot: Snapshot) -> Seen:
    """As `redacted`, without holding the event loop for a monitor that has thousands of lines to hide."""
    holders = holders_of(snapshot)
    is_long = sum(len(secret) for one in holders for secret in one.secrets) > PROMPT_CHARS
    return await off_loop(redacted, seen, holders) if is_long else redacted(seen, holders)


def holders_of(snapshot: Snapshot) -> list[Holder]:
    """The configs of a monitor and of its proxy, as far as they may hold secrets."""
    configs = [one for one in (snapshot.target, snapshot.proxy) if one is not None and _may_hold(type(one))]
    return [Holder(one, frozenset(sealing.secrets_of(one).values()) - _usual(type(one)) - {""}) for one in configs]


def redacted(seen: Seen, holders: Sequence[Holder]) -> Seen:
    """The same, with every secret masked in whatever form it came back."""
    said = "\n".join(_texts([seen.message, seen.detail]))
    there = {form for one in holders for form in _forms(one) if len(form) >= TELLING and form in said}
    there |= {form for one in holders for form in _hidden(one.config) if len(form) >= TELLING_OF_MORE and form in said}
    if not there:
        return seen
    forms = sorted(there, key=len, reverse=True)
    return msgspec.structs.replace(seen, message=_masked(seen.message, forms), detail=_masked(seen.detail, forms))


def _texts(value: Any) -> Iterator[str]:
    """Every text in it, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


@cache
def _may_hold(kind: type[Struct]) -> bool:
    types = [one.type for one in msgspec.structs.fields(kind)]
    return any(map(sealing.is_secret, types)) or any(map(config_views.kind_of, types))


@cache
def _usual(kind: type[Struct]) -> frozenset[str]:
    """What everybody knows, such as SNMP's community `public`: it stands in sentences, and tells nothing."""
    return frozenset(one.default for one in msgspec.structs.fields(kind) if isinstance(one.default, str))


def _forms(holder: Holder) -> Iterator[str]:
    """Each secret as it stands, in an address, in base64, and beside a user name as HTTP and SMTP send it."""
    names = list(_names(holder.config)) if holder.secrets else []
    for secret in holder.secrets:
        for one in (secret, *_parts(secret)):
            yield from (one, quote(one, safe=""), _base64(one))
            yield from (_base64(pair) for name in names for pair in (f"{name}:{one}", f"\0{name}\0{one}"))


def _hidden(config: Struct) -> Iterator[str]:
    """What viewers are not shown, and the values of a query: they may be tokens, and short ones are everyday words."""
    for text in config_views.hidden_values(config):
        yield from (text, *(one.partition("=")[2] for one in text.split("&")))


def _parts(secret: str) -> Iterator[str]:
    """The password in a connection string; the lines of a key."""
    authority = secret.partition("://")[2].rpartition("@")[0]
    if ":" in authority:
        yield unquote(authority.partition(":")[2])
    if "\n" in secret:
        yield from (line for line in secret.splitlines() if not line.startswith("-----"))


def _names(config: Struct) -> Iterator[str]:
    """Who we are, wherever that stands in a config."""
    for field, value in msgspec.structs.asdict(config).items():
        if isinstance(value, Struct):
            yield from _names(value)
        elif field in NAMES and value:
            yield value


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


def _masked(value: Any, forms: list[str]) -> Any:
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form, MASK)
        return value
    if isinstance(value, dict):
        return {_masked(name, forms): _masked(one, forms) for name, one in value.items()}
    return [_masked(one, forms) for one in value] if isinstance(value, list | tuple) else value
