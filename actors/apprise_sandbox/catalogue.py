"""Writes the catalogue of services from the Apprise that is installed: `just services`.

In it is whatever goes through `requests`, and nothing else: a service that opens sockets, starts programs or speaks to
this machine's desktop could not work in the cage.
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

FORBIDDEN_IMPORTS = frozenset(  # who imports one of these wants more than HTTP
    {"socket", "smtplib", "subprocess", "ctypes", "syslog", "paho", "slixmpp", "gi", "dbus", "gntp", "hid", "smpplib"}
)
EXCLUDED = {
    "fcm": "its key is a file",
    "vapid": "its key and its subscriptions are files",
    "nostr": "speaks over web sockets of its own",
}
RESERVED_FIELDS = frozenset(  # decided by us, for every service
    {"schema", "overflow", "format", "rto", "cto", "emojis", "store", "tz", "retry", "wait", "optional", "redirect"}
)
TYPES = {"int": "integer", "float": "number", "bool": "boolean", "list": "array", "email": "email"}
SECRET_NAME = re.compile(
    r"webhook|token|secret|passw|apikey|api_key|(^|_)key$"
)  # Apprise does not call all of them private
FILE_ARGUMENT = re.compile(r"Template Path$|^Attach", re.IGNORECASE)
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def list_services() -> list[Service]:
    """Every service that can be told from within the cage, by its name."""
    known = NotificationManager()
    known.load_modules()
    found = [_service_of(one) for one in set(known.plugins()) if _is_supported(one)]
    return sorted(found, key=lambda one: (one.name.lower(), one.id))


def encode_catalogue(services: list[Service]) -> bytes:
    """The file: a service a line, so that a change of one is a change of one line."""
    lines = b",\n".join(msgspec.json.encode(one) for one in services)
    return b"[\n" + lines + b"\n]\n"


def _is_supported(kind: type[Any]) -> bool:
    imported = {name for module in _modules_of(kind) for name in _imports_of(module)}
    return kind.enabled and "requests" in imported and not imported & FORBIDDEN_IMPORTS and _id_of(kind) not in EXCLUDED


def _modules_of(kind: type[Any]) -> Iterator[ModuleType]:
    """Where a service's code is: its own, and that of services it is made from."""
    for one in kind.__mro__:
        if one is not NotifyBase and one.__module__.startswith("apprise.plugins."):
            yield sys.modules[one.__module__]


def _imports_of(module: ModuleType) -> Iterator[str]:
    """Names of the packages that it imports."""
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
    told = details(kind)
    return Service(
        id=_id_of(kind),
        name=str(kind.service_name),
        module=_module_of(kind),
        schemes=plugin_schemes(kind),
        site=str(kind.service_url or ""),
        setup=str(kind.setup_url or ""),
        templates=list(told["templates"]),
        fields=[*_scheme_of(kind), *_fields_of(told)],
    )


def _scheme_of(kind: type[Any]) -> Iterator[ServiceField]:
    """With or without TLS, where there is a choice."""
    schemes = plugin_schemes(kind)
    if len(schemes) > 1:
        yield ServiceField(
            name="schema", description="What the address begins with.", default=schemes[0], choices=list(schemes)
        )


def _fields_of(told: dict[str, Any]) -> Iterator[ServiceField]:
    """What the templates name, and then what may follow them; files are read by nobody."""
    tokens, named = told["tokens"], {name for one in told["templates"] for name in PLACEHOLDER.findall(one)}
    always = [set(PLACEHOLDER.findall(one)) for one in told["templates"]]
    for name, one in tokens.items():
        if name in named - RESERVED_FIELDS:
            yield _field_of(name, one, tokens, required=all(name in each for each in always))
    for name, one in told["args"].items():
        if (
            name not in named | RESERVED_FIELDS
            and "alias_of" not in one
            and not FILE_ARGUMENT.search(str(one.get("name")))
        ):
            yield _field_of(name, one, tokens, required=False)


def _field_of(name: str, one: dict[str, Any], tokens: dict[str, Any], *, required: bool) -> ServiceField:
    kind, _, _ = str(one.get("type") or "string").partition(":")
    return ServiceField(
        name=name,
        type=TYPES.get(str(one.get("type")).removeprefix("choice:"), TYPES.get(kind, "string")),
        required=required,
        secret=bool(one.get("private")) or (kind == "string" and SECRET_NAME.search(name) is not None),
        description=_description(one, tokens),
        default=_json_value(one.get("default")),
        choices=_choices_of(one) if kind == "choice" else [],
    )


def _choices_of(one: dict[str, Any]) -> list[FieldValue]:
    plain = (_json_value(each) for each in one.get("values") or ())
    return sorted((each for each in plain if each is not None), key=str)


def _description(one: dict[str, Any], tokens: dict[str, Any]) -> str:
    """Its name; of a list, too, how its kinds of members begin."""
    members = (tokens[each] for each in sorted(one.get("group") or ()) if each in tokens)
    kinds = [f"{each['name']}: {each['prefix']}…" for each in members if each.get("prefix")]
    return "; ".join([str(one.get("name") or ""), *kinds])


def _json_value(value: Any) -> FieldValue | None:
    """A default as JSON has it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(getattr(value, "value", value))


if __name__ == "__main__":
    found = list_services()
    CATALOGUE_FILE.write_bytes(encode_catalogue(found))
    docs_page.FILE.write_text(docs_page.render_page(found), encoding="utf-8")
