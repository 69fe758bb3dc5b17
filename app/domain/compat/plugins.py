"""Monitor types as document 002's plugins, described from the typed configs. Pure."""

from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT

from app.domain.compat.field_names import NAMES_BY_TYPE, TIMEOUT
from app.domain.validation import wording
from app.errors import Invalid
from schema.plugins import Plugin, Plugins
from schema.targets import TARGETS

ALIASES = {"website_status": "website", "ssl_certificate": "ssl", "mail_server": "mail", "dns_record": "dns"}
TIMEOUTS_S = {"website": 10.0, "dns": 10.0, "ssl": 30.0, "mail": 30.0}  # the defaults of document 002
DEFAULT_TIMEOUT_S = 16.0
EXTRA_FIELDS = {  # fields that only document 002 has
    "dns": {
        "subdomain": "Put in front of the domain.",
        "check_propagation": "Query the resolvers, or eight public ones, and compare (default: false)",
    },
}
REPLACED_FIELDS = {  # fields of document 002 that replace one of ours
    ("mail", "security"): {
        "use_ssl": "TLS from the first byte on (default: false)",
        "use_tls": "TLS on request, by STARTTLS (default: false)",
    },
}


def monitor_type(name: str) -> str:
    """The monitor type of a name or an alias. Raises Invalid."""
    type_ = ALIASES.get(name, name)
    if type_ not in TARGETS:
        raise Invalid.for_field("plugin_type", f"must be one of {', '.join([*TARGETS, *ALIASES])}")
    return type_


@cache
def list_plugins() -> Plugins:
    """The descriptions of all monitor types."""
    plugins = [get_plugin(type_) for type_ in TARGETS]
    return Plugins(plugins=plugins, count=len(plugins))


@cache
def get_plugin(type_: str) -> Plugin:
    """The description of a monitor type and of its config's fields."""
    target = TARGETS[type_]
    required: dict[str, str] = {}
    optional: dict[str, str] = {}
    for field in msgspec.structs.fields(target):
        (required if field.required else optional).update(_field_descriptions(type_, field))
    optional |= EXTRA_FIELDS.get(type_, {})
    default_s = TIMEOUTS_S.get(type_, DEFAULT_TIMEOUT_S)
    optional[TIMEOUT] = f"Seconds one check may take, at most its interval (default: {default_s:g})"
    return Plugin(
        name=type_,
        description=(target.__doc__ or "").strip().partition("\n")[0],
        required_config=required,
        optional_config=optional,
        aliases=[alias for alias, name in ALIASES.items() if name == type_],
    )


def _field_descriptions(type_: str, field: msgspec.structs.FieldInfo) -> dict[str, str]:
    """The document's name of a field → its description, or else its name in words, with its default unless empty."""
    if switches := REPLACED_FIELDS.get((type_, field.name)):
        return switches
    name = NAMES_BY_TYPE.get(type_, {}).get(field.name, field.name)
    text = wording.description_of(field.type) or name.replace("_", " ").capitalize()
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    if default in (NODEFAULT, None, "", [], {}):
        return {name: text}
    return {name: f"{text.removesuffix('.')} (default: {_default_text(default)})"}


def _default_text(default: Any) -> str:
    """A default as JSON, a string without quotes."""
    plain = msgspec.to_builtins(default)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
