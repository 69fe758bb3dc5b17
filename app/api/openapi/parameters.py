"""Parameters as they are on the wire: a query, a path or a header has no null and no defaults of the notation."""

from typing import Any

Node = dict[str, Any]
PLACES = ("path", "query", "header", "cookie")
USUAL = {"deprecated": False, "allowEmptyValue": False, "allowReserved": False, "required": False}


def draw(operation: Node) -> None:
    """Have an operation's parameters be in one order, without null and without what goes without saying."""
    found = [_drawn(one) for one in operation.pop("parameters", None) or []]
    if found:
        operation["parameters"] = sorted(found, key=lambda one: PLACES.index(one["in"]))


def _drawn(parameter: Node) -> Node:
    said = {name: value for name, value in parameter.items() if USUAL.get(name, ...) != value}
    return {**said, "schema": without_null(parameter["schema"])}


def without_null(schema: Node) -> Node:
    """The same type without null: absent is how a parameter says nothing."""
    members = [one for one in schema.get("oneOf", ()) if one != {"type": "null"}]
    if len(members) == 1:
        rest = {name: value for name, value in schema.items() if name != "oneOf"}
        return without_null({**members[0], **rest})
    if members:
        return {**schema, "oneOf": members}
    if not isinstance(schema.get("type"), list):
        return schema
    (kind,) = [one for one in schema["type"] if one != "null"]
    values = {"enum": [one for one in schema["enum"] if one is not None]} if "enum" in schema else {}
    return {**schema, "type": kind, **values}
