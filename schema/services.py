"""Services that are told through Apprise: a catalogue read from a file, so that nobody needs Apprise to know them.

`just services` writes the file from the Apprise that is installed; a test holds them together.
"""

from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

CATALOGUE_FILE = Path(__file__).with_suffix(".json")

FieldValue = str | int | float | bool


class ServiceField(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a service's address.

    type       string, email (a string, too), integer, number, boolean or array (of strings)
    secret     belongs into `secrets`
    choices    what it may be; empty: anything
    """

    name: str
    type: str = "string"
    required: bool = False
    secret: bool = False
    description: str = ""
    default: FieldValue | None = None
    choices: list[FieldValue] = []


class Service(Struct, frozen=True, kw_only=True):
    """One of Apprise's services.

    id           what a channel's `service` says
    module       of Apprise
    schemes      what its addresses begin with; the first one is the usual one
    templates    how its addresses are put together from its fields; `?name=value` brings the others
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
    """Every service by its id."""
    return {one.id: one for one in msgspec.json.decode(CATALOGUE_FILE.read_bytes(), type=list[Service])}


def service_for_url(url: str) -> Service | None:
    """Whose address this is."""
    return _services_by_scheme().get(url.partition("://")[0].lower())


@cache
def _services_by_scheme() -> dict[str, Service]:
    return {scheme: one for one in services_by_id().values() for scheme in one.schemes}
