"""Monitor types as document 002 knows them: by its names, described from the typed configs. Pure."""

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
TIMEOUTS_S = {"website": 10.0, "dns": 10.0, "ssl": 30.0, "mail": 30.0}  # what document 002's own clients are used to
DEFAULT_TIMEOUT_S = 16.0
EXTRA_FIELDS = {  # what document 002 has beside our fields
    "dns": {
        "subdomain": "Put in front of the domain.",
        "check_propagation": "Ask the resolvers, or eight public ones, and compare (default: false)",
    },
}
REPLACED_FIELDS = {  # what document 002 has in place of one of our fields
    ("mail", "security"): {
        "use_ssl": "TLS from the first byte on (default: false)",
        "use_tls": "TLS on request, by STARTTLS (default: false)",
    },
}


def monitor_type(name: str) -> str:
    """The monitor type that a name or an alias means. Raises Invalid."""
    type_ = ALIASES.get(name, name)
    if type_ not in TARGETS:
        raise Invalid.for_field("plugin_type", f"must be one of {', '.join([*TARGETS, *ALIASES])}")
    return type_


@cache
def list_plugins() -> Plugins:
    """Every monitor type, described."""
    found = [get_plugin(type_) for type_ in TARGETS]
    return Plugins(plugins=found, count=len(found))


@cache
def get_plugin(type_: str) -> Plugin:
    """What a monitor type checks, and what its config takes."""
    target = TARGETS[type_]
    required: dict[str, str] = {}
    optional: dict[str, str] = {}
    for one in msgspec.structs.fields(target):
        (required if one.required else optional).update(_field_descriptions(type_, one))
    optional |= EXTRA_FIELDS.get(type_, {})
    usual_s = TIMEOUTS_S.get(type_, DEFAULT_TIMEOUT_S)
    optional[TIMEOUT] = f"Seconds one check may take, at most its interval (default: {usual_s:g})"
    return Plugin(
        name=type_,
        description=(target.__doc__ or "").strip().partition("\n")[0],
        required_config=required,
        optional_config=optional,
        aliases=[alias for alias, name in ALIASES.items() if name == type_],
    )


def _field_descriptions(type_: str, field: msgspec.structs.FieldInfo) -> dict[str, str]:
    """A field's name there, and its description or its name as words; with its default, when that says something."""
    if switches := REPLACED_FIELDS.get((type_, field.name)):
        return switches
    name = NAMES_BY_TYPE.get(type_, {}).get(field.name, field.name)
    text = wording.description_of(field.type) or name.replace("_", " ").capitalize()
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    if default in (NODEFAULT, None, "", [], {}):
        return {name: text}
    return {name: f"{text.removesuffix('.')} (default: {_default_text(default)})"}


def _default_text(default: Any) -> str:
    """A default as JSON would have it, a text without its quotes."""
    shown = msgspec.to_builtins(default)
    return shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()
