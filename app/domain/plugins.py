"""Monitor types as document 002 knows them: by its names, with its field names, described from the typed configs. Pure.

A config of document 002 is a monitor's config in other words, with the monitor's timeout inside.
"""

from functools import cache
from typing import Any

import msgspec
from msgspec import NODEFAULT, UNSET, Struct, UnsetType

from app.domain import wording
from app.errors import Invalid
from schema.errors import FieldError
from schema.plugins import Plugin, Plugins
from schema.targets import TARGETS

ALIASES = {"website_status": "website", "ssl_certificate": "ssl", "mail_server": "mail", "dns_record": "dns"}
WORDS: dict[str, dict[str, str]] = {  # document 002's names of fields, by ours
    "dns": {
        "host": "domain",
        "resolve_type": "record_type",
        "resolver_server": "nameserver",
        "expected": "expected_value",
    },
}
TIMEOUTS_S = {"website": 10.0, "dns": 10.0, "ssl": 30.0, "mail": 30.0}  # what document 002's own clients are used to
FIELDS = {  # of a check, by those of a monitor
    "type": "plugin_type",
    "active": "enabled",
    "interval": "schedule",
    "cron": "schedule",
    "timeout": "config.timeout",
}
LISTS = frozenset({"expected"})  # fields for which document 002 takes a single value, too
TIMEOUT = "timeout"
USUAL_TIMEOUT = "Seconds one check may take, at most its interval"


def type_of(name: str) -> str:
    """The monitor type that a name or an alias means. Raises Invalid."""
    type_ = ALIASES.get(name, name)
    if type_ not in TARGETS:
        raise Invalid.one("plugin_type", f"must be one of {', '.join([*TARGETS, *ALIASES])}")
    return type_


def to_monitor(type_: str, config: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """A check's config as its monitor's, and the timeout in it (UNSET when it has none). Nothing is validated."""
    ours = {theirs: own for own, theirs in WORDS.get(type_, {}).items()}
    found = {ours.get(name, name): value for name, value in config.items() if name != TIMEOUT}
    for name in LISTS & found.keys():
        if isinstance(found[name], str):
            found[name] = [found[name]]
    return found, config.get(TIMEOUT, UNSET)


def of_monitor(target: Struct, timeout_s: float | UnsetType = UNSET) -> dict[str, Any]:
    """A monitor's config in the words of its check."""
    config = msgspec.to_builtins(target)
    words = WORDS.get(config.pop("type"), {})
    told = {words.get(name, name): value for name, value in config.items()}
    return told if timeout_s is UNSET else {**told, TIMEOUT: timeout_s}


def in_its_words(type_: str, refused: Invalid) -> Invalid:
    """The same refusal, with fields called as the client calls them."""
    return Invalid([FieldError(_told(type_, one.field), one.message) for one in refused.fields])


def _told(type_: str, field: str) -> str:
    head, _, rest = field.partition(".")
    if head != "config":
        return FIELDS.get(field, field)
    own, dot, deeper = rest.partition(".")
    return f"config.{WORDS.get(type_, {}).get(own, own)}{dot}{deeper}"


@cache
def catalogue() -> Plugins:
    """Every monitor type, described."""
    found = [described(type_) for type_ in TARGETS]
    return Plugins(plugins=found, count=len(found))


@cache
def described(type_: str) -> Plugin:
    """What a monitor type checks, and what its config takes."""
    target = TARGETS[type_]
    words = WORDS.get(type_, {})
    fields = {words.get(one.name, one.name): one for one in msgspec.structs.fields(target)}
    optional = {name: _meaning(name, one) for name, one in fields.items() if not one.required}
    usual_s = f"{TIMEOUTS_S[type_]:g}" if type_ in TIMEOUTS_S else "16"
    return Plugin(
        name=type_,
        description=" ".join((target.__doc__ or "").split()),
        required_config={name: _meaning(name, one) for name, one in fields.items() if one.required},
        optional_config={**optional, TIMEOUT: f"{USUAL_TIMEOUT} (default: {usual_s})"},
        aliases=[alias for alias, name in ALIASES.items() if name == type_],
    )


def _meaning(name: str, field: msgspec.structs.FieldInfo) -> str:
    """A field's own description, or its name as words; and its default, when there is something to say of it."""
    text = wording.note_of(field.type) or name.replace("_", " ").capitalize()
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    if default in (NODEFAULT, None, "", [], {}):
        return text
    shown = msgspec.to_builtins(default)
    plain = shown if isinstance(shown, str) else msgspec.json.encode(shown).decode()
    return f"{text.removesuffix('.')} (default: {plain})"
