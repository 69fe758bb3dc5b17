"""Catalogue of the services that Apprise can notify, read from a file so that no process has to import Apprise.

`just services` writes the file from the installed Apprise; a test compares the two.
"""

from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

CATALOGUE_FILE = Path(__file__).with_suffix(".json")

FieldValue = str | int | float | bool


class ServiceField(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A field of a service's address.

    type       string, email (a string, too), integer, number, boolean or array (of strings)
    secret     stored in `secrets`
    choices    allowed values; empty: any
    """

    name: str
    type: str = "string"
    required: bool = False
    secret: bool = False
    description: str = ""
    default: FieldValue | None = None
    choices: list[FieldValue] = []


class Service(Struct, frozen=True, kw_only=True):
    """A service that Apprise supports.

    id           value of a channel's `service`
    module       its module in Apprise
    schemes      schemes of its addresses, the usual one first
    templates    patterns of its addresses; fields they do not contain are added as `?name=value`
    """

    id: str
    name: str
    module: str
    schemes: list[str]
    site: str
    setup: str
    templates: list[str]
    fields: list[ServiceField]


@cache
def services_by_id() -> dict[str, Service]:
    """Every service, by id."""
    return {one.id: one for one in msgspec.json.decode(CATALOGUE_FILE.read_bytes(), type=list[Service])}


def service_for_url(url: str) -> Service | None:
    """The service of an address, by its scheme."""
    return _services_by_scheme().get(url.partition("://")[0].lower())


@cache
def _services_by_scheme() -> dict[str, Service]:
    return {scheme: one for one in services_by_id().values() for scheme in one.schemes}
