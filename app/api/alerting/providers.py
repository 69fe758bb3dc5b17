"""The catalogue of notification providers: our own, derived from their config structs, and Apprise's services."""

from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct, inspect

from schema.channels import PROVIDERS
from schema.services import FieldValue, Service, services_by_id

APPRISE = "apprise"
DOCS_PATH = "docs/channels"  # in the documentation of this version


class ProviderField(Struct, frozen=True, kw_only=True):
    """One field of a provider's config.

    type       string, email, integer, number, boolean, array or object
    choices    allowed values; empty when any value of its type is allowed
    """

    name: str
    type: str
    required: bool
    secret: bool
    description: str
    default: Any = None
    choices: list[FieldValue] = []


class NotificationProvider(Struct, frozen=True, kw_only=True):
    """A provider of notifications.

    type         the `type` of its channels
    service      the `service` in the config of its channels, when the type has services; its fields then go into
                 `fields`, secret ones into `secrets`
    docs         our page about it, in the repository and in the installed share/doc/watchkeeper
    setup        how to set it up at the provider
    schemes      URL schemes of the service
    templates    how a `url` is built from the fields
    """

    type: str
    service: str = ""
    name: str
    description: str
    docs: str
    setup: str = ""
    schemes: list[str] = []
    templates: list[str] = []
    fields: list[ProviderField]


class Providers(Struct, frozen=True):
    """Every provider."""

    providers: list[NotificationProvider]


@cache
def catalogue() -> Providers:
    """Every provider with its fields, in the order of their structs; then every Apprise service, by name."""
    ours = [_provider_of(name, config) for name, config in PROVIDERS.items()]
    return Providers([*ours, *map(_provider_of_service, services_by_id().values())])


def _provider_of(name: str, config: type[Struct]) -> NotificationProvider:
    fields = [_field_of(one) for one in msgspec.structs.fields(config)]
    description = (config.__doc__ or "").strip()
    return NotificationProvider(
        type=name, name=config.__name__, description=description, docs=f"{DOCS_PATH}/{name}.md", fields=fields
    )


def _provider_of_service(service: Service) -> NotificationProvider:
    return NotificationProvider(
        type=APPRISE,
        service=service.id,
        name=service.name,
        description=f"{service.name}, through Apprise.",
        docs=f"{DOCS_PATH}/services.md",
        setup=service.setup or service.site,
        schemes=service.schemes,
        templates=service.templates,
        fields=[ProviderField(**msgspec.structs.asdict(one)) for one in service.fields],
    )


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
    """The description in the type's metadata; empty without one."""
    schema = msgspec.json.schema(annotation)
    return next((str(one["description"]) for one in (schema, *schema.get("anyOf", ())) if "description" in one), "")


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def _type_of(annotation: Any) -> str:
    """The JSON type: string, integer, number, boolean, array or object."""
    schema = msgspec.json.schema(annotation)
    choices = schema.get("anyOf", [schema])
    return next(str(one.get("type", "string")) for one in choices if one.get("type") != "null")  # choices have none


def _is_secret(annotation: Any) -> bool:
    """Whether the field or a part of it is stored encrypted."""
    info = inspect.type_info(annotation)
    own = isinstance(info, inspect.Metadata) and bool((info.extra or {}).get("secret"))
    inner = (part for part in get_args(annotation) if not isinstance(part, msgspec.Meta | str))  # literals are no types
    return own or any(_is_secret(part) for part in inner)
