"""Builds Apprise URLs from a service's fields, and checks such a config. Pure."""

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
    """The service that a channel notifies; None when the catalogue has none like it."""
    return service_for_url(config.url) if config.url else services_by_id().get(config.service)


def build_url(config: Apprise) -> str:
    """The Apprise URL of a valid config."""
    if config.url:
        return config.url
    service = services_by_id()[config.service]
    filled = _filled_fields(config)
    template = _choose_template(service, set(filled)) or ""
    placeholders = set(_PLACEHOLDER.findall(template))
    scheme = str(filled.get(_SCHEME_FIELD) or service.schemes[0])
    types = {field.name: field.type for field in service.fields}
    url = _PLACEHOLDER.sub(
        lambda match: _quote_part(match.group(1), filled.get(match.group(1), scheme), types.get(match.group(1), "")),
        template,
    )
    rest = {name: _as_text(value) for name, value in filled.items() if name not in placeholders | {_SCHEME_FIELD}}
    return f"{url}{_query_separator(url)}{urlencode(rest, quote_via=quote)}" if rest else url


def config_errors(config: Apprise) -> Iterator[ConfigError]:
    """Every field that does not fit the service."""
    if config.url:
        yield from _url_errors(config)
    elif service := services_by_id().get(config.service):
        yield from _field_errors(config, service)
    else:
        yield "service", "is not in the catalogue; send one of its services, or a url"


def _url_errors(config: Apprise) -> Iterator[ConfigError]:
    service = service_for_url(config.url)
    if service is None:
        yield "url", f"begins with {config.url.partition('://')[0]}://, which is of no service in the catalogue"
    elif config.service not in {"", service.id}:
        yield "service", f"does not match the url, which is of {service.id}; leave it out"
    if config.fields or config.secrets:
        yield "fields", "must be empty if there is a url, as must secrets; the url has them all"


def _field_errors(config: Apprise, service: Service) -> Iterator[ConfigError]:
    known = {field.name: field for field in service.fields}
    for name, value in config.fields.items():
        yield from _value_errors(f"fields.{name}", value, known.get(name), secret=False)
    for name, secret in config.secrets.items():
        yield from _value_errors(f"secrets.{name}", secret, known.get(name), secret=True)
    filled = set(_filled_fields(config))
    missing = [field for field in service.fields if field.required and field.name not in filled]
    for field in missing:
        yield f"{'secrets' if field.secret else 'fields'}.{field.name}", "is required"
    if not missing and _choose_template(service, filled) is None:
        yield "fields", f"are not complete; an address has one of these forms: {', '.join(service.templates)}"


def _value_errors(path: str, value: Any, field: ServiceField | None, *, secret: bool) -> Iterator[ConfigError]:
    """Compare a value with its field in the catalogue."""
    if field is None:
        yield path, "is not a field of this service"
    elif field.secret is not secret:
        yield path, "is secret; send it in secrets" if field.secret else "is not secret; send it in fields"
    elif field.choices and value not in field.choices:
        yield path, f"must be one of {', '.join(map(str, field.choices))}"
    elif not secret and not _has_type(value, field.type):
        yield path, f"must be {'an' if field.type[0] in 'ai' else 'a'} {field.type}"


def _has_type(value: Any, type_: str) -> bool:
    if type_ == "array":
        return isinstance(value, list | str)
    expected = _PYTHON_TYPES.get(type_, str)
    return isinstance(value, expected) and (type_ == "boolean" or not isinstance(value, bool))


def _filled_fields(config: Apprise) -> dict[str, Any]:
    """Every field and secret that is not empty."""
    return {name: value for name, value in {**config.fields, **config.secrets}.items() if value not in ("", [])}


def _choose_template(service: Service, filled: set[str]) -> str | None:
    """The longest template that these fields fill. Fields beyond it must be ones that no template places."""
    parts = {template: set(_PLACEHOLDER.findall(template)) - {_SCHEME_FIELD} for template in service.templates}
    placed = set().union(*parts.values())
    fitting = [template for template, names in parts.items() if names <= filled and not (filled & placed) - names]
    return max(fitting, key=lambda template: len(parts[template]), default=None)


def _quote_part(name: str, value: Any, type_: str) -> str:
    """Escape a value for its place, so that none of its characters ends it; an e-mail address keeps its @."""
    if isinstance(value, list):
        return "/".join(quote(item, safe="") for item in value)
    if name in _PATH_FIELDS:
        return "/" + "".join(f"{quote(step, safe='')}/" for step in str(value).split("/") if step)
    return quote(_as_text(value), safe="@" if type_ == "email" else "")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, list) else str(value)


def _query_separator(url: str) -> str:
    return "&" if "?" in url else "/?" if url.count("/") == 2 else "?"  # noqa: PLR2004  # those of ://
