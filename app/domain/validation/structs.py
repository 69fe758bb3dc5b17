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

MOST_FAULTS = 50
MOST_PARTS = 3_000  # as many as take a moment
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
    """What is wrong with the value, the first MOST_FAULTS of it; empty when it fits.

    Whoever sends a value chooses how many parts it has. So no more than MOST_PARTS are looked at: where the first
    fault lies behind them, this is empty, and the one error of msgspec names it.
    """
    looked_at = islice(_looked_at(value, type_, at), MOST_PARTS)
    return list(islice(filter(None, looked_at), MOST_FAULTS))


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
    """Texts in a JSON value that a database can't keep: the first MOST_FAULTS among its first MOST_PARTS parts."""
    found = (
        FieldError(path, UNSTORABLE_TEXT)
        for path, text in islice(_texts(value, at), MOST_PARTS)
        if UNSTORABLE.search(text)
    )
    return list(islice(found, MOST_FAULTS))


def under(at: str, key: object) -> str:
    """The path of a part."""
    return f"{at}.{key}" if at else str(key)


def _texts(value: Any, at: str) -> Iterator[tuple[str, str]]:
    """Path and text of every part of a JSON value, in its order; no text for what is none."""
    waiting = [iter([(at, value)])]
    while waiting:
        for path, part in waiting[-1]:
            yield path, part if isinstance(part, str) else ""
            if isinstance(part, (dict, list)):
                waiting.append(_parts(path, part))
                break
        else:
            waiting.pop()


def _parts(at: str, value: dict[str, Any] | list[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((under(at, no), item) for no, item in enumerate(value))
        return
    for key, item in value.items():
        yield at, key
        yield under(at, key), item


def _looked_at(value: Any, type_: Any, at: str) -> Iterator[FieldError | None]:
    """One item per part that was looked at: what is wrong with it, or None."""
    yield None
    if _fits(value, type_):
        return
    parts = parts_of(type_)
    structs = [one for one in parts if isinstance(one, type) and issubclass(one, Struct)]
    if structs and isinstance(value, dict):
        yield from _in_struct(value, structs, at)
        return
    is_inside = False
    for one in _in_collection(value, parts, at):
        is_inside = is_inside or one is not None
        yield one
    if not is_inside:
        yield FieldError(at, wording.unfit(type_, value))


def _fits(value: Any, type_: Any) -> bool:
    try:
        msgspec.convert(value, type_, strict=True)
    except msgspec.ValidationError:
        return False
    return True


def _in_collection(value: Any, parts: list[Any], at: str) -> Iterator[FieldError | None]:
    mapping = next((one for one in parts if get_origin(one) is dict), None)
    sequence = next((one for one in parts if get_origin(one) is list), None)
    if isinstance(value, dict) and mapping is not None:
        key_type, item_type = get_args(mapping)
        for key, item in value.items():
            if not _fits(key, key_type):
                yield FieldError(under(at, key), f"the name {wording.unfit(key_type, key)}")
            yield from _looked_at(item, item_type, under(at, key))
    elif isinstance(value, list) and sequence is not None:
        for no, part in enumerate(value):
            yield from _looked_at(part, get_args(sequence)[0], under(at, no))


def _in_struct(value: dict[str, Any], structs: list[type[Struct]], at: str) -> Iterator[FieldError | None]:
    chosen = next((one for one in structs if _has_tag(value, one, alone=len(structs) == 1)), None)
    if chosen is None:
        field = structs[0].__struct_config__.tag_field or ""
        yield FieldError(under(at, field), _wrong_tag(value, field, structs))
        return
    fields = {one.encode_name: one for one in msgspec.structs.fields(chosen)}
    for name, field_info in fields.items():
        if name in value:
            yield from _looked_at(value[name], field_info.type, under(at, name))
        elif field_info.required:
            yield FieldError(under(at, name), f"is required: {wording.wanted(field_info.type)}")
    yield from _unknown(value, chosen, list(fields), at)


def _has_tag(value: dict[str, Any], struct: type[Struct], *, alone: bool) -> bool:
    """Whether the object says it is this struct; where there is no choice it need not say so."""
    config = struct.__struct_config__
    if config.tag_field is None or (alone and config.tag_field not in value):
        return True
    return bool(value.get(config.tag_field) == config.tag)


def _wrong_tag(value: dict[str, Any], field: str, structs: list[type[Struct]]) -> str:
    tags = ", ".join(str(one.__struct_config__.tag) for one in structs)
    return f"must be one of: {tags}" if field in value else f"is required: one of {tags}"


def _unknown(value: dict[str, Any], struct: type[Struct], names: list[str], at: str) -> Iterator[FieldError]:
    config = struct.__struct_config__
    known = [*names, config.tag_field] if config.tag_field else names
    if config.forbid_unknown_fields:
        yield from (FieldError(under(at, key), _not_known(key, known)) for key in value if key not in known)


def _not_known(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"is not a known field: {hint}"
