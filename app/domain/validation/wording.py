"""Error sentences of validation: what a value must be. Pure."""

import re
from typing import Any

from msgspec import inspect as types

# a pattern that only restricts the characters of a text
_CHARACTER_CLASS = re.compile(r"\^\(?\[((?:[^\]\\]|\\.)+)\](?:[*+]|\{[0-9]+,[0-9]+\})\)?\$")
_SCHEMES = {  # scheme: how patterns of field types write it
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
    """`must be …`, with the description of the type if it has one."""
    info = types.type_info(type_)
    text = f"must be {_type_words(info)}"
    description = _description(info)
    return f"{text}: {description}" if description else text + _pattern(info)


def error_for(type_: Any, value: Any) -> str:
    """The error of an invalid value: for a text that does not match its pattern, why; otherwise the requirement.

    Nothing of a secret is repeated.
    """
    info = types.type_info(type_)
    text = _pattern_type(info)
    if text is None or not isinstance(value, str) or not _has_length(text, value) or _matches(text, value):
        return requirement(type_)
    description = _description(info)
    pattern = (text.pattern or "").removesuffix(r"(?!\n)")
    reason = _url_error(pattern, value) or _invalid_character(pattern, "" if _is_secret(info) else value)
    return f"{reason}: {description}" if description else f"{reason}: it must match {pattern}"


def description_of(type_: Any) -> str:
    """The description of the type; empty when it has none."""
    return _description(types.type_info(type_))


def _pattern_type(info: types.Type) -> types.StrType | None:
    """The text type with a pattern, in a union too."""
    if isinstance(info, types.Metadata):
        return _pattern_type(info.type)
    if isinstance(info, types.UnionType):
        return next(filter(None, map(_pattern_type, info.types)), None)
    return info if isinstance(info, types.StrType) and info.pattern else None


def _has_length(info: types.StrType, value: str) -> bool:
    return (info.min_length or 0) <= len(value) <= (info.max_length if info.max_length is not None else len(value))


def _matches(info: types.StrType, value: str) -> bool:
    return re.search(info.pattern or "", value) is not None


def _invalid_character(pattern: str, value: str) -> str:
    """The first character that the pattern does not allow."""
    found = _CHARACTER_CLASS.fullmatch(pattern)
    allowed = f"[{found[1]}]" if found else r"\S"
    invalid = next((sign for sign in value if not re.match(allowed, sign) or not sign.isprintable()), "")
    return f"must not contain {invalid!r}" if invalid else "must have another form"


def _is_secret(info: types.Type) -> bool:
    """Whether the type, or a member of a union, is marked as secret: `Meta(extra={"secret": True})`."""
    if isinstance(info, types.Metadata):
        return bool((info.extra or {}).get("secret")) or _is_secret(info.type)
    return isinstance(info, types.UnionType) and any(map(_is_secret, info.types))


def _url_error(pattern: str, value: str) -> str:
    """The error in a URL; empty when the pattern is not one of URLs."""
    schemes = [scheme for scheme, form in _SCHEMES.items() if form in pattern]
    if not schemes:
        return ""
    scheme, separator, rest = value.partition("://")
    if not separator or scheme.lower() not in schemes:
        return f"must begin with {' or '.join(f'{one}://' for one in schemes)}"
    if any(sign.isspace() for sign in value):
        return "must not contain spaces or line breaks; write a space as %20"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return "must not contain a user name or password"
    return "must have a host after ://" if not authority else "must end after its path"


def _pattern(info: types.Type) -> str:
    """The pattern of a text, for types without a description."""
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
