"""Generates the catalogue of services from the installed Apprise: `just services`.

It lists only services that use `requests`: those that open sockets, start programs or use the local desktop can't work
in the sandbox.
"""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import msgspec
from apprise.manager_plugins import NotificationManager
from apprise.plugins import details
from apprise.plugins.base import NotifyBase

from actors.apprise_sandbox import docs_page
from actors.apprise_sandbox.send import plugin_schemes
from schema.services import CATALOGUE_FILE, FieldValue, Service, ServiceField

FORBIDDEN_IMPORTS = frozenset(  # these need more than HTTP
    {"socket", "smtplib", "subprocess", "ctypes", "syslog", "paho", "slixmpp", "gi", "dbus", "gntp", "hid", "smpplib"}
)
EXCLUDED = {
    "fcm": "its key is a file",
    "vapid": "its key and its subscriptions are files",
    "nostr": "speaks over web sockets of its own",
}
RESERVED_FIELDS = frozenset(  # fixed by us for every service
    {"schema", "overflow", "format", "rto", "cto", "emojis", "store", "tz", "retry", "wait", "optional", "redirect"}
)
TYPES = {"int": "integer", "float": "number", "bool": "boolean", "list": "array", "email": "email"}
SECRET_NAME = re.compile(
    r"webhook|token|secret|passw|apikey|api_key|(^|_)key$"
)  # not all are marked private by Apprise
FILE_ARGUMENT = re.compile(r"Template Path$|^Attach", re.IGNORECASE)
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def list_services() -> list[Service]:
    """Every service that works in the sandbox, sorted by name."""
    manager = NotificationManager()
    manager.load_modules()
    services = [_service_of(one) for one in set(manager.plugins()) if _is_supported(one)]
    return sorted(services, key=lambda one: (one.name.lower(), one.id))


def encode_catalogue(services: list[Service]) -> bytes:
    """The catalogue file, one service per line, so that diffs stay small."""
    lines = b",\n".join(msgspec.json.encode(one) for one in services)
    return b"[\n" + lines + b"\n]\n"


def _is_supported(kind: type[Any]) -> bool:
    imported = {name for module in _modules_of(kind) for name in _imports_of(module)}
    return kind.enabled and "requests" in imported and not imported & FORBIDDEN_IMPORTS and _id_of(kind) not in EXCLUDED


def _modules_of(kind: type[Any]) -> Iterator[ModuleType]:
    """The modules of a service class and of the service classes that it extends."""
    for one in kind.__mro__:
        if one is not NotifyBase and one.__module__.startswith("apprise.plugins."):
            yield sys.modules[one.__module__]


def _imports_of(module: ModuleType) -> Iterator[str]:
    """Names of the packages that a module imports."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def _id_of(kind: type[Any]) -> str:
    return _module_of(kind).partition(".")[0]


def _module_of(kind: type[Any]) -> str:
    return kind.__module__.removeprefix("apprise.plugins.")


def _service_of(kind: type[Any]) -> Service:
    spec = details(kind)
    return Service(
        id=_id_of(kind),
        name=str(kind.service_name),
        module=_module_of(kind),
        schemes=plugin_schemes(kind),
        site=str(kind.service_url or ""),
        setup=str(kind.setup_url or ""),
        templates=list(spec["templates"]),
        fields=[*_scheme_of(kind), *_fields_of(spec)],
    )


def _scheme_of(kind: type[Any]) -> Iterator[ServiceField]:
    """The field for the URL scheme, when there is a choice."""
    schemes = plugin_schemes(kind)
    if len(schemes) > 1:
        yield ServiceField(
            name="schema", description="What the address begins with.", default=schemes[0], choices=list(schemes)
        )


def _fields_of(spec: dict[str, Any]) -> Iterator[ServiceField]:
    """The fields in the URL templates, then the optional arguments without those that name files."""
    tokens, named = spec["tokens"], {name for field in spec["templates"] for name in PLACEHOLDER.findall(field)}
    always = [set(PLACEHOLDER.findall(field)) for field in spec["templates"]]
    for name, field in tokens.items():
        if name in named - RESERVED_FIELDS:
            yield _field_of(name, field, tokens, required=all(name in each for each in always))
    for name, field in spec["args"].items():
        if (
            name not in named | RESERVED_FIELDS
            and "alias_of" not in field
            and not FILE_ARGUMENT.search(str(field.get("name")))
        ):
            yield _field_of(name, field, tokens, required=False)


def _field_of(name: str, spec: dict[str, Any], tokens: dict[str, Any], *, required: bool) -> ServiceField:
    kind, _, _ = str(spec.get("type") or "string").partition(":")
    return ServiceField(
        name=name,
        type=TYPES.get(str(spec.get("type")).removeprefix("choice:"), TYPES.get(kind, "string")),
        required=required,
        secret=bool(spec.get("private")) or (kind == "string" and SECRET_NAME.search(name) is not None),
        description=_description(spec, tokens),
        default=_json_value(spec.get("default")),
        choices=_choices_of(spec) if kind == "choice" else [],
    )


def _choices_of(spec: dict[str, Any]) -> list[FieldValue]:
    values = (_json_value(value) for value in spec.get("values") or ())
    return sorted((value for value in values if value is not None), key=str)


def _description(spec: dict[str, Any], tokens: dict[str, Any]) -> str:
    """The field's name; for a list also the prefixes of its kinds of members."""
    members = (tokens[each] for each in sorted(spec.get("group") or ()) if each in tokens)
    kinds = [f"{each['name']}: {each['prefix']}…" for each in members if each.get("prefix")]
    return "; ".join([str(spec.get("name") or ""), *kinds])


def _json_value(value: Any) -> FieldValue | None:
    """A default as a JSON value."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(getattr(value, "value", value))


if __name__ == "__main__":
    listed = list_services()
    CATALOGUE_FILE.write_bytes(encode_catalogue(listed))
    docs_page.FILE.write_text(docs_page.render_page(listed), encoding="utf-8")
