"""Documented defaults of parameters are accepted: generated clients send them with every request."""

import re
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from app.api.monitoring import push_ingest
from app.api.openapi import document
from app.store.transactions import monitors
from schema.targets import Push
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN, Client

pytestmark = pytest.mark.either_engine

TOKEN = "a-token-of-sixteen-or-more"
SOMETHING = "0" * 8 + "-0000-4000-8000-" + "0" * 12


def defaults(application: Litestar) -> dict[str, dict[str, str]]:
    """Every path that is read with GET and has defaults, and those."""
    paths: dict[str, Any] = msgspec.json.decode(document.build_document(application))["paths"]
    named = {path: _given(item["get"].get("parameters", ())) for path, item in paths.items() if "get" in item}
    return {path: defaults for path, defaults in named.items() if defaults}


def _given(parameters: Any) -> dict[str, str]:
    return {one["name"]: one["schema"]["default"] for one in parameters if "default" in one["schema"]}


async def test_a_default_is_accepted_when_it_is_sent(application: Litestar, client: Client) -> None:
    await monitors.create(make.monitor(Push(token=TOKEN)))
    push_ingest.clear_endpoints()
    found = defaults(application)
    assert len(found) > 10
    for path, sent_defaults in found.items():
        here = re.sub(r"{\w+}", SOMETHING, path.replace("{token}", TOKEN).replace("{signal}", "start"))
        response = await client.get(here, params=sent_defaults, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        assert response.status_code in {200, 404}, (path, response.text)
