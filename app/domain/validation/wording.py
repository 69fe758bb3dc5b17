"""Says in words what a value must be: the sentence behind "422". Pure."""

import re
from typing import Any

from msgspec import inspect as types

_CHARACTER_CLASS = re.compile(
    r"\^\(?\[((?:[^\]\\]|\\.)+)\](?:[*+]|\{[0-9]+,[0-9]+\})\)?\$"
)  # a text of certain signs only
_SCHEMES = {  # as patterns have them
    "http": "[Hh][Tt][Tt][Pp][Ss]?:",
    "https": "[Hh][Tt][Tt][Pp][Ss]",
    "ws": "[Ww][Ss][Ss]?:",
    "wss": "[Ww][Ss][Ss]?:",
}

_TYPE_WORDS: dict[type[types.Type], str] = {
    types.BoolType: "true or false",
    types.NoneType: "null",
    types.UUIDType: "a UUID",
    types.DateTimeType: "a time as in RFC 3339, such as 2026-01-31T12:00:00Z",
    types.DateType: "a date such as 2026-01-31",
    types.StructType: "an object",
    types.DictType: "an object",
    types.AnyType: "any value",
}


def requirement(type_: Any) -> str:
    """`must be …`, with the type's own description where it has one."""
    info = types.type_info(type_)
    text = f"must be {_type_words(info)}"
    note = _description(info)
    return f"{text}: {note}" if note else text + _pattern(info)


def error_for(type_: Any, value: Any) -> str:
    """The same of a value that was sent: where it is a text whose form is wrong, what is wrong with its form."""
    info = types.type_info(type_)
    found = _pattern_type(info)
    if found is None or not isinstance(value, str) or not _has_length(found, value) or _matches(found, value):
        return requirement(type_)
    note = _description(info)
    pattern = (found.pattern or "").removesuffix(r"(?!\n)")
    reason = _url_error(pattern, value) or _invalid_character(pattern, value, note)
    return f"{reason}: {note}" if note else f"{reason}: it must match {pattern}"


def description_of(type_: Any) -> str:
    """The type's own description; empty when it has none."""
    return _description(types.type_info(type_))


def _pattern_type(info: types.Type) -> types.StrType | None:
    """The text among a type's kinds that has a pattern."""
    if isinstance(info, types.Metadata):
        return _pattern_type(info.type)
    if isinstance(info, types.UnionType):
        return next(filter(None, map(_pattern_type, info.types)), None)
    return info if isinstance(info, types.StrType) and info.pattern else None


def _has_length(info: types.StrType, value: str) -> bool:
    return (info.min_length or 0) <= len(value) <= (info.max_length if info.max_length is not None else len(value))


def _matches(info: types.StrType, value: str) -> bool:
    return re.search(info.pattern or "", value) is not None


def _invalid_character(pattern: str, value: str, note: str) -> str:
    """The first sign that is out of place, as far as the pattern tells; a secret's are shown to nobody."""
    signs = _CHARACTER_CLASS.fullmatch(pattern)
    usual = f"[{signs[1]}]" if signs else r"\S"
    odd = next((sign for sign in value if not re.match(usual, sign) or not sign.isprintable()), "")
    return f"must not have {odd!r} in it" if odd and "sealed" not in note else "must have another form"


def _url_error(pattern: str, value: str) -> str:
    """What is wrong with an address; nothing for what is meant to be none."""
    schemes = [name for name, form in _SCHEMES.items() if form in pattern]
    if not schemes:
        return ""
    scheme, apart, rest = value.partition("://")
    if not apart or scheme.lower() not in schemes:
        return f"must begin with {' or '.join(f'{one}://' for one in schemes)}"
    if any(sign.isspace() for sign in value):
        return "must have no blanks and line ends in it: a blank is written %20"
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in place:
        return "must have no user name and password in it"
    return "must have a host behind ://" if not place else "must have nothing behind its path"


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


def _type_words(info: types.Type) -> str:
    if isinstance(info, types.Metadata):
        return _type_words(info.type)
    if isinstance(info, types.UnionType):
        return " or ".join(dict.fromkeys(_type_words(one) for one in info.types))
    if isinstance(info, types.IntType | types.FloatType):
        return _number(info)
    if isinstance(info, types.StrType):
        return _text(info)
    if isinstance(info, types.ListType):
        return f"a list{_length(info.min_length, info.max_length, 'items')}"
    return _choice(info)


def _choice(info: types.Type) -> str:
    if isinstance(info, types.EnumType):
        return f"one of {', '.join(str(one.value) for one in info.cls)}"
    if isinstance(info, types.LiteralType):
        return f"one of {', '.join(map(str, info.values))}"
    return _TYPE_WORDS.get(type(info), "of another type")


def _number(info: types.IntType | types.FloatType) -> str:
    kind = "a whole number" if isinstance(info, types.IntType) else "a number"
    least = f"from {info.ge:g}" if info.ge is not None else f"above {info.gt:g}" if info.gt is not None else ""
    most = f"to {info.le:.15g}" if info.le is not None else f"below {info.lt:.15g}" if info.lt is not None else ""
    return " ".join(part for part in (kind, least, most) if part)


def _text(info: types.StrType) -> str:
    return f"text{_length(info.min_length, info.max_length, 'characters')}"


def _length(least: int | None, most: int | None, unit: str) -> str:
    if most is None:
        return f" of at least {least} {unit}" if least else ""
    return f" of {least or 0} to {most} {unit}" if least else f" of at most {most} {unit}"
