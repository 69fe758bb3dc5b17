"""Converts a JSON value to a type strictly, or reports every error in it.

msgspec stops at its first error. So when a value is invalid, its parts are validated one by one, down to the leaves:
every invalid, missing and unknown field is reported at once (MAX_ERRORS at most), with its dotted path. Pure.
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
MAX_PARTS = 3_000  # keeps validation of a hostile value fast
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
UNSTORABLE_TEXT = "must not contain the character U+0000, nor half a surrogate pair"


def validate(value: Any, type_: Any, at: str = "") -> Any:
    """The value as `type_`, converted strictly.

    at      dotted path of the value in the request, prefixed to each field
    raises  Invalid with every invalid field
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError as error:
        raise Invalid(errors_in(value, type_, at) or [FieldError(at, str(error))]) from error


def errors_in(value: Any, type_: Any, at: str = "") -> list[FieldError]:
    """The first MAX_ERRORS errors in the value; empty when it is valid.

    The sender chooses how many parts a value has, so no more than MAX_PARTS are validated. When the first error lies
    beyond them, this is empty, and the one error of msgspec names it.
    """
    results = islice(_validate_parts(value, type_, at), MAX_PARTS)
    return list(islice(filter(None, results), MAX_ERRORS))


def member_types(type_: Any) -> list[Any]:
    """The types a value may have, without `Annotated` and unset."""
    if get_origin(type_) is Annotated:
        return member_types(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        return [part for member in get_args(type_) for part in member_types(member)]
    return [] if type_ is UnsetType else [type_]


def is_storable(text: str) -> bool:
    """Whether databases can store a text: PostgreSQL rejects U+0000, and both reject lone surrogates."""
    return UNSTORABLE.search(text) is None


def unstorable_texts(value: Any, at: str = "") -> list[FieldError]:
    """Texts in a JSON value that a database can't store: the first MAX_ERRORS in its first MAX_PARTS parts."""
    found = (
        FieldError(path, UNSTORABLE_TEXT)
        for path, text in islice(_texts(value, at), MAX_PARTS)
        if UNSTORABLE.search(text)
    )
    return list(islice(found, MAX_ERRORS))


def child_path(at: str, key: object) -> str:
    """The dotted path of a part."""
    return f"{at}.{key}" if at else str(key)


def _texts(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Path and text of every part of a JSON value, in order; the text is empty for other types."""
    pending = [iter([(at, value)])]
    while pending:
        for path, part in pending[-1]:
            yield path, part if isinstance(part, str) else ""
            if isinstance(part, (dict, list)):
                pending.append(_children(path, part))
                break
        else:
            pending.pop()


def _children(at: str, value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((child_path(at, no), item) for no, item in enumerate(value))
        return
    for key, item in value.items():
        yield at, key
        yield child_path(at, key), item


def _validate_parts(value: Any, type_: Any, at: str) -> Iterator[FieldError | None]:
    """Yields one item per validated part: its error, or None."""
    yield None
    if _is_valid(value, type_):
        return
    parts = member_types(type_)
    structs = [one for one in parts if isinstance(one, type) and issubclass(one, Struct)]
    if structs and isinstance(value, dict):
        yield from _validate_struct(value, structs, at)
        return
    has_inner_error = False
    for error in _validate_collection(value, parts, at):
        has_inner_error = has_inner_error or error is not None
        yield error
    if not has_inner_error:
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
    """Whether the object has the tag of this struct; without alternatives the tag may be absent."""
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
    hint = f"did you mean {close[0]!r}?" if close else f"the fields are {', '.join(known)}"
    return f"is not a known field; {hint}"
