"""Fits a JSON value to a type, or names everything that is wrong with it.

msgspec stops at its first error. So when a value does not fit, its parts are tried one by one, down to the leaves:
every wrong, missing and unknown field comes back at once, with its dotted path. Pure.
"""

import re
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from app.domain import wording
from app.errors import Invalid
from schema.errors import FieldError

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
UNSTORABLE_TEXT = "must not contain the character U+0000, nor half a surrogate pair"


def fit(value: Any, type_: Any, at: str = "") -> Any:
    """The value as `type_`, strictly.

    at      dotted path of the value in the request, to be put before each field
    raises  Invalid with every field that is wrong
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        raise Invalid(faults(value, type_, at) or [FieldError(at, str(error))]) from error


def faults(value: Any, type_: Any, at: str = "") -> list[FieldError]:
    """Everything that is wrong with the value; empty when it fits."""
    try:
        msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError:
        found = _inside(value, parts_of(type_), at)
        return [FieldError(at, wording.wanted(type_))] if found is None else found
    return []


def parts_of(type_: Any) -> list[Any]:
    """The types a value may have, `Annotated` taken off, unset left out."""
    if get_origin(type_) is Annotated:
        return parts_of(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return [part for one in get_args(type_) for part in parts_of(one)]
    return [] if type_ is UnsetType else [type_]


def is_storable(text: str) -> bool:
    """Whether a database can keep a text: PostgreSQL no U+0000, and none of them half a surrogate pair."""
    return UNSTORABLE.search(text) is None


def unstorable_at(value: Any, at: str = "") -> list[FieldError]:
    """Texts in a JSON value that a database can't keep."""
    if isinstance(value, str):
        return [] if is_storable(value) else [FieldError(at, UNSTORABLE_TEXT)]
    if isinstance(value, dict):
        parts = [(key, under(at, key), item) for key, item in value.items()]
        return [one for key, path, item in parts for one in unstorable_at(key, at) + unstorable_at(item, path)]
    if isinstance(value, list):
        return [one for no, item in enumerate(value) for one in unstorable_at(item, under(at, no))]
    return []


def under(at: str, key: object) -> str:
    """The path of a part."""
    return f"{at}.{key}" if at else str(key)


def _inside(value: Any, parts: list[Any], at: str) -> list[FieldError] | None:
    """What is wrong with the value's own parts; None when the value as such is wrong."""
    if isinstance(value, dict):
        structs = [one for one in parts if isinstance(one, type) and issubclass(one, Struct)]
        if structs:
            return _in_struct(value, structs, at)
        mapping = next((one for one in parts if get_origin(one) is dict), None)
        return None if mapping is None else _in_mapping(value, mapping, at)
    sequence = next((one for one in parts if get_origin(one) is list), None)
    if isinstance(value, list) and sequence is not None:
        item = get_args(sequence)[0]
        return [one for no, part in enumerate(value) for one in faults(part, item, under(at, no))] or None
    return None


def _in_mapping(value: dict[str, Any], mapping: Any, at: str) -> list[FieldError] | None:
    key_type, item_type = get_args(mapping)
    found: list[FieldError] = []
    for key, item in value.items():
        if faults(key, key_type):
            found.append(FieldError(under(at, key), f"the name {wording.wanted(key_type)}"))
        found += faults(item, item_type, under(at, key))
    return found or None


def _in_struct(value: dict[str, Any], structs: list[type[Struct]], at: str) -> list[FieldError]:
    chosen = next((one for one in structs if _has_tag(value, one, alone=len(structs) == 1)), None)
    if chosen is None:
        field = structs[0].__struct_config__.tag_field or ""
        return [FieldError(under(at, field), _wrong_tag(value, field, structs))]
    fields = {one.encode_name: one for one in msgspec.structs.fields(chosen)}
    found: list[FieldError] = []
    for name, field_info in fields.items():
        if name in value:
            found += faults(value[name], field_info.type, under(at, name))
        elif field_info.required:
            found.append(FieldError(under(at, name), f"is required: {wording.wanted(field_info.type)}"))
    return found + _unknown(value, chosen, list(fields), at)


def _has_tag(value: dict[str, Any], struct: type[Struct], *, alone: bool) -> bool:
    """Whether the object says it is this struct; where there is no choice it need not say so."""
    config = struct.__struct_config__
    if config.tag_field is None or (alone and config.tag_field not in value):
        return True
    return bool(value.get(config.tag_field) == config.tag)


def _wrong_tag(value: dict[str, Any], field: str, structs: list[type[Struct]]) -> str:
    tags = ", ".join(str(one.__struct_config__.tag) for one in structs)
    return f"must be one of: {tags}" if field in value else f"is required: one of {tags}"


def _unknown(value: dict[str, Any], struct: type[Struct], names: list[str], at: str) -> list[FieldError]:
    config = struct.__struct_config__
    if not config.forbid_unknown_fields:
        return []
    known = [*names, config.tag_field] if config.tag_field else names
    return [FieldError(under(at, key), _not_known(key, known)) for key in value if key not in known]


def _not_known(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"is not a known field: {hint}"
