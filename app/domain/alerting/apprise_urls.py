"""Addresses of services as Apprise writes them, put together from fields; and what is wrong with a config. Pure."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from schema.channels.apprise import Apprise
from schema.services import Service, ServiceField, service_for_url, services_by_id

ConfigError = tuple[str, str]  # field, what would be right

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SCHEME_FIELD = "schema"
_PATH_FIELDS = frozenset({"path", "fullpath"})  # may hold slashes, and begin and end with one
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {"integer": int, "number": (int, float), "boolean": bool}


def find_service(config: Apprise) -> Service | None:
    """Which service a channel tells; None when there is none like it."""
    return service_for_url(config.url) if config.url else services_by_id().get(config.service)


def build_url(config: Apprise) -> str:
    """The address that a sound config stands for."""
    if config.url:
        return config.url
    told = services_by_id()[config.service]
    given = _filled_fields(config)
    template = _choose_template(told, set(given)) or ""
    named = set(_PLACEHOLDER.findall(template))
    scheme = str(given.get(_SCHEME_FIELD) or told.schemes[0])
    kinds = {one.name: one.type for one in told.fields}
    address = _PLACEHOLDER.sub(
        lambda one: _quote_part(one.group(1), given.get(one.group(1), scheme), kinds.get(one.group(1), "")), template
    )
    rest = {name: _as_text(value) for name, value in given.items() if name not in named | {_SCHEME_FIELD}}
    return f"{address}{_query_separator(address)}{urlencode(rest, quote_via=quote)}" if rest else address


def config_errors(config: Apprise) -> Iterator[ConfigError]:
    """What does not fit the service."""
    if config.url:
        yield from _url_errors(config)
    elif told := services_by_id().get(config.service):
        yield from _field_errors(config, told)
    else:
        yield "service", "is none that the catalogue names; give one of them, or a url"


def _url_errors(config: Apprise) -> Iterator[ConfigError]:
    told = service_for_url(config.url)
    if told is None:
        yield "url", f"begins with {config.url.partition('://')[0]}://, which no service of the catalogue does"
    elif config.service not in {"", told.id}:
        yield "service", f"is another one than the url's, which is {told.id}: leave it out"
    if config.fields or config.secrets:
        yield "fields", "must be empty beside a url, and so must secrets: it has them all"


def _field_errors(config: Apprise, told: Service) -> Iterator[ConfigError]:
    known = {one.name: one for one in told.fields}
    for name, value in config.fields.items():
        yield from _value_errors(f"fields.{name}", value, known.get(name), secret=False)
    for name, secret in config.secrets.items():
        yield from _value_errors(f"secrets.{name}", secret, known.get(name), secret=True)
    given = set(_filled_fields(config))
    missing = [one for one in told.fields if one.required and one.name not in given]
    for one in missing:
        yield f"{'secrets' if one.secret else 'fields'}.{one.name}", "is required"
    if not missing and _choose_template(told, given) is None:
        yield "fields", f"do not make an address; these forms do: {', '.join(told.templates)}"


def _value_errors(at: str, value: Any, field: ServiceField | None, *, secret: bool) -> Iterator[ConfigError]:
    """A value against what the catalogue says of its field."""
    if field is None:
        yield at, "is no field of this service"
    elif field.secret is not secret:
        yield at, "is secret: it belongs into secrets" if field.secret else "is not secret: it belongs into fields"
    elif field.choices and value not in field.choices:
        yield at, f"must be one of {', '.join(map(str, field.choices))}"
    elif not secret and not _has_type(value, field.type):
        yield at, f"must be {'an' if field.type[0] in 'ai' else 'a'} {field.type}"


def _has_type(value: Any, type_: str) -> bool:
    if type_ == "array":
        return isinstance(value, list | str)
    kind = _PYTHON_TYPES.get(type_, str)
    return isinstance(value, kind) and (type_ == "boolean" or not isinstance(value, bool))


def _filled_fields(config: Apprise) -> dict[str, Any]:
    """Everything that is not empty."""
    return {name: value for name, value in {**config.fields, **config.secrets}.items() if value not in ("", [])}


def _choose_template(told: Service, given: set[str]) -> str | None:
    """The longest form that these fields fill; what it does not name must be something that may follow."""
    parts = {one: set(_PLACEHOLDER.findall(one)) - {_SCHEME_FIELD} for one in told.templates}
    anywhere = set().union(*parts.values())
    fitting = [one for one, named in parts.items() if named <= given and not (given & anywhere) - named]
    return max(fitting, key=lambda one: len(parts[one]), default=None)


def _quote_part(name: str, value: Any, kind: str) -> str:
    """A value in its place, so that none of its characters ends it; the @ of an e-mail address is read as it is."""
    if isinstance(value, list):
        return "/".join(quote(one, safe="") for one in value)
    if name in _PATH_FIELDS:
        return "/" + "".join(f"{quote(one, safe='')}/" for one in str(value).split("/") if one)
    return quote(_as_text(value), safe="@" if kind == "email" else "")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, list) else str(value)


def _query_separator(address: str) -> str:
    return "&" if "?" in address else "/?" if address.count("/") == 2 else "?"  # noqa: PLR2004  # of ://
