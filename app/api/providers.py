"""The catalogue of notification providers, read off the structs that their configs are made of."""

from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct, inspect

from schema.channels import PROVIDERS


class ProviderField(Struct, frozen=True, kw_only=True):
    """One field of a provider's config."""

    name: str
    type: str
    required: bool
    secret: bool
    description: str
    default: Any = None


class Provider(Struct, frozen=True, kw_only=True):
    """A way to tell people. `type` is what a channel of it says."""

    type: str
    description: str
    fields: list[ProviderField]


class Providers(Struct, frozen=True):
    """Every provider there is."""

    providers: list[Provider]


@cache
def catalogue() -> Providers:
    """Every provider with its fields, in the order of their structs."""
    return Providers([_provider_of(name, config) for name, config in PROVIDERS.items()])


def _provider_of(name: str, config: type[Struct]) -> Provider:
    fields = [_field_of(one) for one in msgspec.structs.fields(config)]
    return Provider(type=name, description=(config.__doc__ or "").strip(), fields=fields)


def _field_of(field: msgspec.structs.FieldInfo) -> ProviderField:
    return ProviderField(
        name=field.encode_name,
        type=_type_of(field.type),
        required=field.required,
        secret=_is_secret(field.type),
        description=_description_of(field.type),
        default=None if field.required else _default_of(field),
    )


def _description_of(annotation: Any) -> str:
    """What the type says of itself; empty when nothing."""
    schema = msgspec.json.schema(annotation)
    return next((str(one["description"]) for one in (schema, *schema.get("anyOf", ())) if "description" in one), "")


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def _type_of(annotation: Any) -> str:
    """JSON's word for a type: string, integer, number, boolean, array or object."""
    schema = msgspec.json.schema(annotation)
    choices = schema.get("anyOf", [schema])
    return next(str(one.get("type", "string")) for one in choices if one.get("type") != "null")  # choices have none


def _is_secret(annotation: Any) -> bool:
    """Whether the field, or what it holds, is kept sealed."""
    info = inspect.type_info(annotation)
    own = isinstance(info, inspect.Metadata) and bool((info.extra or {}).get("secret"))
    inner = (part for part in get_args(annotation) if not isinstance(part, msgspec.Meta | str))  # a choice is no type
    return own or any(_is_secret(part) for part in inner)
