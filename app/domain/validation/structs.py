"""Fits a JSON value to a type, or names everything that is wrong with it.

msgspec stops at its first error. So when a value does not fit, its parts are tried one by one, down to the leaves:
every wrong, missing and unknown field comes back at once (MOST_FAULTS at most), with its dotted path. Pure.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct, UnsetType

from app.domain.validation import wording
from app.errors import Invalid
from schema.errors import FieldError

MAX_ERRORS = 50
MAX_PARTS = 3_000  # as many as take a moment
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
UNSTORABLE_TEXT = "must not contain the character U+0000, nor half a surrogate pair"


def validate(value: Any, type_: Any, at: str = "") -> Any:
    """The value as `type_`, strictly.

    at      dotted path of the value in the request, to be put before each field
    raises  Invalid with every field that is wrong
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        raise Invalid(errors_in(value, type_, at) or [FieldError(at, str(error))]) from error


def errors_in(value: Any, type_: Any, at: str = "") -> list[FieldError]:
    """What is wrong with the value, the first MOST_FAULTS of it; empty when it fits.

    Whoever sends a value chooses how many parts it has. So no more than MOST_PARTS are looked at: where the first
    fault lies behind them, this is empty, and the one error of msgspec names it.
    """
    looked_at = islice(_validate_parts(value, type_, at), MAX_PARTS)
    return list(islice(filter(None, looked_at), MAX_ERRORS))


def member_types(type_: Any) -> list[Any]:
    """The types a value may have, `Annotated` taken off, unset left out."""
    if get_origin(type_) is Annotated:
        return member_types(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return [part for one in get_args(type_) for part in member_types(one)]
    return [] if type_ is UnsetType else [type_]


def is_storable(text: str) -> bool:
    """Whether a database can keep a text: PostgreSQL no U+0000, and none of them half a surrogate pair."""
    return UNSTORABLE.search(text) is None


def unstorable_texts(value: Any, at: str = "") -> list[FieldError]:
    """Texts in a JSON value that a database can't keep: the first MOST_FAULTS among its first MOST_PARTS parts."""
    found = (
        FieldError(path, UNSTORABLE_TEXT)
        for path, text in islice(_texts(value, at), MAX_PARTS)
        if UNSTORABLE.search(text)
    )
    return list(islice(found, MAX_ERRORS))


def child_path(at: str, key: object) -> str:
    """The path of a part."""
    return f"{at}.{key}" if at else str(key)


def _texts(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Path and text of every part of a JSON value, in its order; no text for what is none."""
    waiting = [iter([(at, value)])]
    while waiting:
        for path, part in waiting[-1]:
            yield path, part if isinstance(part, str) else ""
            if isinstance(part, (dict, list)):
                waiting.append(_children(path, part))
                break
        else:
            waiting.pop()


def _children(at: str, value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((child_path(at, no), item) for no, item in enumerate(value))
        return
    for key, item in value.items():
        yield at, key
        yield child_path(at, key), item


def _validate_parts(value: Any, type_: Any, at: str) -> Iterator[FieldError | None]:
    """One item per part that was looked at: what is wrong with it, or None."""
    yield None
    if _is_valid(value, type_):
        return
    parts = member_types(type_)
    structs = [one for one in parts if isinstance(one, type) and issubclass(one, Struct)]
    if structs and isinstance(value, dict):
        yield from _validate_struct(value, structs, at)
        return
    is_inside = False
    for one in _validate_collection(value, parts, at):
        is_inside = is_inside or one is not None
        yield one
    if not is_inside:
        yield FieldError(at, wording.error_for(type_, value))


def _is_valid(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError:
        return False
    return True


def _validate_collection(value: Any, parts: list[Any], at: str) -> Iterator[FieldError | None]:
    mapping = next((one for one in parts if get_origin(one) is dict), None)
    sequence = next((one for one in parts if get_origin(one) is list), None)
    if isinstance(value, dict) and mapping is not None:
        key_type, item_type = get_args(mapping)
        for key, item in value.items():
            if not _is_valid(key, key_type):
                yield FieldError(child_path(at, key), f"the name {wording.error_for(key_type, key)}")
            yield from _validate_parts(item, item_type, child_path(at, key))
    elif isinstance(value, list) and sequence is not None:
        for no, part in enumerate(value):
            yield from _validate_parts(part, get_args(sequence)[0], child_path(at, no))


def _validate_struct(value: dict[str, Any], structs: list[type[Struct]], at: str) -> Iterator[FieldError | None]:
    chosen = next((one for one in structs if _has_tag(value, one, alone=len(structs) == 1)), None)
    if chosen is None:
        field = structs[0].__struct_config__.tag_field or ""
        yield FieldError(child_path(at, field), _tag_error(value, field, structs))
        return
    fields = {one.encode_name: one for one in msgspec.structs.fields(chosen)}
    for name, field_info in fields.items():
        if name in value:
            yield from _validate_parts(value[name], field_info.type, child_path(at, name))
        elif field_info.required:
            yield FieldError(child_path(at, name), f"is required: {wording.requirement(field_info.type)}")
    yield from _unknown_fields(value, chosen, list(fields), at)


def _has_tag(value: dict[str, Any], struct: type[Struct], *, alone: bool) -> bool:
    """Whether the object says it is this struct; where there is no choice it need not say so."""
    config = struct.__struct_config__
    if config.tag_field is None or (alone and config.tag_field not in value):
        return True
    return bool(value.get(config.tag_field) == config.tag)


def _tag_error(value: dict[str, Any], field: str, structs: list[type[Struct]]) -> str:
    tags = ", ".join(str(one.__struct_config__.tag) for one in structs)
    return f"must be one of: {tags}" if field in value else f"is required: one of {tags}"


def _unknown_fields(value: dict[str, Any], struct: type[Struct], names: list[str], at: str) -> Iterator[FieldError]:
    config = struct.__struct_config__
    known = [*names, config.tag_field] if config.tag_field else names
    if config.forbid_unknown_fields:
        yield from (
            FieldError(child_path(at, key), _unknown_field_error(key, known)) for key in value if key not in known
        )


def _unknown_field_error(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"is not a known field: {hint}"
