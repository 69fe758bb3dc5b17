"""Says in words what a value must be: the sentence behind "422". Pure."""

from typing import Any

from msgspec import inspect as types

_PLAIN: dict[type[types.Type], str] = {
    types.BoolType: "true or false",
    types.NoneType: "null",
    types.UUIDType: "a UUID",
    types.DateTimeType: "a time as in RFC 3339, such as 2026-01-31T12:00:00Z",
    types.DateType: "a date such as 2026-01-31",
    types.StructType: "an object",
    types.DictType: "an object",
    types.AnyType: "any value",
}


def wanted(type_: Any) -> str:
    """`must be …`, with the type's own description where it has one."""
    info = types.type_info(type_)
    text = f"must be {_of(info)}"
    note = _description(info)
    return f"{text}: {note}" if note else text + _pattern(info)


def note_of(type_: Any) -> str:
    """The type's own description; empty when it has none."""
    return _description(types.type_info(type_))


def _pattern(info: types.Type) -> str:
    """The pattern of a text, for a type that has no words for it."""
    if isinstance(info, types.Metadata):
        return _pattern(info.type)
    if isinstance(info, types.UnionType):
        return next(filter(None, map(_pattern, info.types)), "")
    return f" that matches {info.pattern}" if isinstance(info, types.StrType) and info.pattern else ""


def _description(info: types.Type) -> str:
    parts = info.types if isinstance(info, types.UnionType) else (info,)
    for part in parts:
        if isinstance(part, types.Metadata):
            schema = part.extra_json_schema or {}
            return str(schema.get("description", "")) or _description(part.type)
    return ""


def _of(info: types.Type) -> str:
    if isinstance(info, types.Metadata):
        return _of(info.type)
    if isinstance(info, types.UnionType):
        return " or ".join(dict.fromkeys(_of(one) for one in info.types))
    if isinstance(info, types.IntType | types.FloatType):
        return _number(info)
    if isinstance(info, types.StrType):
        return _text(info)
    if isinstance(info, types.ListType):
        return f"a list{_span(info.min_length, info.max_length, 'items')}"
    return _chosen(info)


def _chosen(info: types.Type) -> str:
    if isinstance(info, types.EnumType):
        return f"one of {', '.join(str(one.value) for one in info.cls)}"
    if isinstance(info, types.LiteralType):
        return f"one of {', '.join(map(str, info.values))}"
    return _PLAIN.get(type(info), "of another type")


def _number(info: types.IntType | types.FloatType) -> str:
    kind = "a whole number" if isinstance(info, types.IntType) else "a number"
    least = f"from {info.ge:g}" if info.ge is not None else f"above {info.gt:g}" if info.gt is not None else ""
    most = f"to {info.le:.15g}" if info.le is not None else f"below {info.lt:.15g}" if info.lt is not None else ""
    return " ".join(part for part in (kind, least, most) if part)


def _text(info: types.StrType) -> str:
    return f"text{_span(info.min_length, info.max_length, 'characters')}"


def _span(least: int | None, most: int | None, unit: str) -> str:
    if most is None:
        return f" of at least {least} {unit}" if least else ""
    return f" of {least or 0} to {most} {unit}" if least else f" of at most {most} {unit}"
