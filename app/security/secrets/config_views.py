"""Masks the restricted fields of a config for viewers; `sealing` masks secrets, for everybody.

A field is restricted if its type has `Meta(extra={"restricted": …})`: anyone who knows its value could act on it, but
operators must be able to read it. Viewers see nothing of a field restricted as `all`, scheme and host of `path`, and
the part before the query of `query`. Nested structs, lists, values of dicts and unions are included.
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
    """Whether a principal sees restricted fields unmasked."""
    return principal.role.covers(Role.OPERATOR)


def configs_visible_to(principal: Principal, resources: list[WithConfig]) -> list[WithConfig]:
    """The same monitors or channels, with their configs masked if the principal is a viewer."""
    if sees_restricted(principal):
        return resources
    return [msgspec.structs.replace(resource, config=mask_restricted(resource.config)) for resource in resources]


def mask_restricted(config: S) -> S:
    """A copy with restricted fields masked, as viewers see it."""
    masked = copy.copy(config)
    for name, kind in _restrictions(type(config)):
        value = getattr(config, name)
        if isinstance(value, Struct):
            msgspec.structs.force_setattr(masked, name, mask_restricted(value))
        elif isinstance(value, list) and kind:
            msgspec.structs.force_setattr(masked, name, [_mask_hidden(text, kind) for text in value])
        elif isinstance(value, dict) and kind:
            msgspec.structs.force_setattr(masked, name, {key: _mask_hidden(text, kind) for key, text in value.items()})
        elif isinstance(value, str) and kind:
            msgspec.structs.force_setattr(masked, name, _mask_hidden(value, kind))
    return masked


def hidden_values(config: Struct) -> Iterator[str]:
    """The parts of the config that viewers do not see, unmasked, to remove them from other texts."""
    for name, kind in _restrictions(type(config)):
        value = getattr(config, name)
        if isinstance(value, Struct):
            yield from hidden_values(value)
        elif kind:
            texts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
            yield from (text[len(_visible_part(text, kind)) :] for text in texts if isinstance(text, str))


def restriction_of(type_: Any) -> Restricted | None:
    """The restriction of a field of this type."""
    if get_origin(type_) is Annotated:
        inner, *metadata = get_args(type_)
        extras = [meta.extra or {} for meta in metadata if isinstance(meta, Meta)]
        kinds = [extra["restricted"] for extra in extras if "restricted" in extra]
        return max([restriction_of(inner), *map(Restricted, kinds)], key=lambda kind: kind or 0)
    if get_origin(type_) in (Union, UnionType, list, dict):
        return max(map(restriction_of, get_args(type_)), key=lambda kind: kind or 0)
    return None


@cache
def _restrictions(struct: type[Struct]) -> tuple[tuple[str, Restricted | None], ...]:
    return tuple((field.name, restriction_of(field.type)) for field in msgspec.structs.fields(struct))


def _mask_hidden(text: str, kind: Restricted) -> str:
    """The visible part of a value, followed by the mask if anything is hidden."""
    visible = _visible_part(text, kind)
    return text if visible == text else f"{visible}{MASK}"


def _visible_part(text: str, kind: Restricted) -> str:
    if kind is Restricted.ALL:
        return ""
    before = text.partition("#")[0].partition("?")[0]
    if kind is Restricted.QUERY:
        return text[: len(before) + 1] if len(before) < len(text) else text
    scheme, separator, rest = before.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}{separator}{host}/" if len(scheme) + len(separator) + len(host) < len(text) else text
