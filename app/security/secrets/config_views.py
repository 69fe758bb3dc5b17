"""What of a config its readers see. Secrets are masked for everybody; what is *restricted*, for viewers.

A field is restricted when its type says `Meta(extra={"restricted": …})`: its value may let its reader act, and who
looks after it must still be able to read it. Viewers see nothing of `all`, scheme and host of `path`, and of `query`
what stands before it. Nested structs, lists and unions are looked through.
"""

import copy
from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from schema.channels import Channel
from schema.field_types import MASK, Restricted
from schema.monitors import Monitor
from schema.status import Role
from schema.users import Principal

S = TypeVar("S", bound=Struct)
WithConfig = TypeVar("WithConfig", Monitor, Channel)


def sees_restricted(principal: Principal) -> bool:
    """Whether somebody sees what is restricted."""
    return principal.role.covers(Role.OPERATOR)


def configs_visible_to(principal: Principal, found: list[WithConfig]) -> list[WithConfig]:
    """The same monitors or channels, as far as this reader sees their configs."""
    if sees_restricted(principal):
        return found
    return [msgspec.structs.replace(one, config=mask_restricted(one.config)) for one in found]


def mask_restricted(config: S) -> S:
    """A copy as viewers see it."""
    shown = copy.copy(config)
    for name, kind in _restrictions(type(config)):
        value = getattr(config, name)
        if isinstance(value, Struct):
            msgspec.structs.force_setattr(shown, name, mask_restricted(value))
        elif isinstance(value, list) and kind:
            msgspec.structs.force_setattr(shown, name, [_mask_hidden(one, kind) for one in value])
        elif isinstance(value, str) and kind:
            msgspec.structs.force_setattr(shown, name, _mask_hidden(value, kind))
    return shown


def hidden_values(config: Struct) -> Iterator[str]:
    """What of the config viewers are not shown, as it stands: for who takes it out of other texts."""
    for name, kind in _restrictions(type(config)):
        value = getattr(config, name)
        if isinstance(value, Struct):
            yield from hidden_values(value)
        elif kind:
            texts = value if isinstance(value, list) else [value]
            yield from (text[len(_visible_part(text, kind)) :] for text in texts if isinstance(text, str))


def restriction_of(type_: Any) -> Restricted | None:
    """How a field of this type is restricted."""
    if get_origin(type_) is Annotated:
        inner, *notes = get_args(type_)
        extras = [one.extra or {} for one in notes if isinstance(one, Meta)]
        marks = [one["restricted"] for one in extras if "restricted" in one]
        return max([restriction_of(inner), *map(Restricted, marks)], key=lambda one: one or 0)
    if get_origin(type_) in (Union, UnionType, list):
        return max(map(restriction_of, get_args(type_)), key=lambda one: one or 0)
    return None


@cache
def _restrictions(struct: type[Struct]) -> tuple[tuple[str, Restricted | None], ...]:
    return tuple((one.name, restriction_of(one.type)) for one in msgspec.structs.fields(struct))


def _mask_hidden(text: str, kind: Restricted) -> str:
    """What is left of a value, and a mask where there is more."""
    left = _visible_part(text, kind)
    return text if left == text else f"{left}{MASK}"


def _visible_part(text: str, kind: Restricted) -> str:
    if kind is Restricted.ALL:
        return ""
    before = text.partition("#")[0].partition("?")[0]
    if kind is Restricted.QUERY:
        return text[: len(before) + 1] if len(before) < len(text) else text
    scheme, found, rest = before.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}{found}{host}/" if len(scheme) + len(found) + len(host) < len(text) else text
