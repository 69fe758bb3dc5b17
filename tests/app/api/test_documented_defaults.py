"""What the document has as the default of a parameter may be sent: generated clients send it with every request."""

import re
from typing import Any

import msgspec
import pytest

from app.api import document, pings
from app.store import monitors
from schema.targets import Push
from tests import make
from tests.app.api.conftest import built
from tests.app.api.people import ADMIN_TOKEN, Client

pytestmark = pytest.mark.either_engine

TOKEN = "a-token-of-sixteen-or-more"
SOMETHING = "0" * 8 + "-0000-4000-8000-" + "0" * 12
Defaults = tuple[str, dict[str, str]]


def defaults() -> list[Defaults]:
    """Every path that is read with GET and has defaults, and those."""
    paths: dict[str, Any] = msgspec.json.decode(document.of(built("")))["paths"]
    named = {path: item["get"].get("parameters", ()) for path, item in paths.items() if "get" in item}
    return [(path, found) for path, ones in named.items() if (found := _given(ones))]


def _given(parameters: Any) -> dict[str, str]:
    return {one["name"]: one["schema"]["default"] for one in parameters if "default" in one["schema"]}


def test_there_are_defaults_in_the_document() -> None:
    assert len(defaults()) > 10


@pytest.mark.parametrize(("path", "given"), defaults(), ids=[path for path, _ in defaults()])
async def test_a_default_is_accepted_when_it_is_sent(client: Client, path: str, given: dict[str, str]) -> None:
    await monitors.add(make.monitor(Push(token=TOKEN)))
    pings.forget()
    here = re.sub(r"{\w+}", SOMETHING, path.replace("{token}", TOKEN).replace("{signal}", "start"))
    reply = await client.get(here, params=given, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    assert reply.status_code in {200, 404}, reply.text
