"""Behind a reverse proxy that serves the application below a path, as `https://host/wk`, everything is found."""

import re
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from litestar import Litestar

from tests.app.api.running_app import Client, calling

pytestmark = pytest.mark.either_engine

HOST, PREFIX = "https://host.example", "/wk"
PAGES = ("/api/v1/docs", "/api/v1/docs/", "/swagger", "/swagger/index.html", "/api/v1/redoc")
ADDRESS = re.compile(r'(?:src|href|spec-url)="([^"]+)"')


async def reached(client: Client, page: str, address: str) -> httpx.Response:
    """The response to a relative address of a page; the proxy strips the prefix."""
    url = urljoin(f"{HOST}{PREFIX}{page}", address)
    assert url.startswith(f"{HOST}{PREFIX}/"), (page, address)
    return await client.get(url.removeprefix(f"{HOST}{PREFIX}"))


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_finds_its_files_and_the_document(client: Client, page: str) -> None:
    addresses = ADDRESS.findall((await client.get(page)).text)
    assert len(addresses) >= 3
    for address in addresses:
        assert (await reached(client, page, address)).status_code == 200, address


async def test_swagger_finds_the_document_from_its_script(client: Client) -> None:
    script = (await client.get("/explorer/start.js")).text
    (address,) = re.findall(r'new URL\("([^"]+)", document\.currentScript\.src\)', script)
    assert (await reached(client, "/explorer/start.js", address)).json()["openapi"].startswith("3.1")


async def test_redoc_finds_its_logo(client: Client) -> None:
    script = (await client.get("/explorer/redoc.standalone.js")).text
    (address,) = set(re.findall(r'"([^"]*redoc-logo\.svg)"', script))
    assert (await reached(client, "/api/v1/redoc", address)).status_code == 200


async def test_the_document_names_its_server_and_its_other_page_relatively(client: Client) -> None:
    spec: dict[str, Any] = (await client.get("/api/v1/openapi.json")).json()
    (server,) = spec["servers"]
    root = urljoin(f"{HOST}{PREFIX}/api/v1/openapi.json", server["url"])
    assert root.rstrip("/") == f"{HOST}{PREFIX}"
    assert urljoin(root, spec["externalDocs"]["url"]) == f"{HOST}{PREFIX}/api/v1/redoc"


async def test_the_root_leads_to_the_explorer(application: Litestar) -> None:
    async with calling(application) as client:
        response = await client.get("/", follow_redirects=False)
        assert response.is_redirect
        assert (await reached(client, "/", response.headers["Location"])).status_code == 200
