"""Renders the services page of the docs from the catalogue. Pure except for its path."""

from collections.abc import Sequence
from pathlib import Path

from schema.services import Service, ServiceField

FILE = Path(__file__).resolve().parents[2] / "docs" / "channels" / "services.md"
HEAD = """# Services

What channels of type [apprise](apprise.md) reach, {count} services; written by `just services` from the catalogue,
which has the forms of each address, defaults and choices, too. Fields in **bold** are required, those marked \\* are
secret and go into `secrets`. Each name links to what Apprise's documentation says of setting the service up.

| service | name | fields |
|---|---|---|
"""


def render_page(services: Sequence[Service]) -> str:
    """The whole page."""
    return HEAD.format(count=len(services)) + "".join(map(_row, services))


def _row(service: Service) -> str:
    fields = ", ".join(map(_field_cell, service.fields))
    return f"| `{service.id}` | [{service.name}]({service.setup or service.site}) | {fields} |\n"


def _field_cell(field: ServiceField) -> str:
    name = f"`{field.name}`" + (r"\*" if field.secret else "")
    return f"**{name}**" if field.required else name
