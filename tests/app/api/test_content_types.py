"""The content type of a response: sent once, with one charset, on every route."""

from dataclasses import replace
from email.message import Message

import httpx
import pytest
from litestar import Litestar, Response, post

from app.main import create_app
from app.pages.explorer_bundle import ASSETS
from app.security.auth.policy import ADMIN
from app.store.identity import sessions
from tests.app.api.running_app import ADMIN_TOKEN, Client, calling
from tests.app.api.test_policy import at, routes_of

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
FORMS = ("", "?format=csv", "?format=ndjson", "?no-such-parameter=1")


def flaw_of(response: httpx.Response) -> str:
    """What is wrong with the content type of a response; empty when nothing is."""
    content_types = response.headers.get_list("Content-Type")
    parsed = Message()
    parsed["Content-Type"] = content_types[0] if content_types else ""
    parameters = [name for name, _ in (parsed.get_params() or [])[1:]]
    if len(content_types) > 1 or len(parameters) != len(set(parameters)) or (response.content and not content_types):
        return f"{response.request.method} {response.request.url.raw_path.decode()}: {content_types}"
    return ""


async def test_every_reply_has_its_type_and_charset_once(client: Client, application: Litestar) -> None:
    calls = [
        (method, at(path) + form)
        for path, method, _ in routes_of(application)
        if method != "WS"
        for form in (FORMS if method == "GET" else ("",))
    ]
    calls += [("GET", f"/explorer/{name}") for name in ASSETS]
    responses = [await client.request(method, path, headers=ADMIN_HEADERS) for method, path in calls]
    assert [flaw for response in responses if (flaw := flaw_of(response))] == []
    assert {"application/json", "text/csv; charset=utf-8", "application/x-ndjson", "text/html; charset=utf-8"} <= {
        response.headers.get("Content-Type") for response in responses
    }


async def test_metrics_have_the_format_that_prometheus_scrapes(client: Client) -> None:
    response = await client.get("/metrics")
    assert response.headers.get_list("Content-Type") == ["text/plain; version=0.0.4; charset=utf-8"]


@pytest.mark.parametrize("media_type", ["text/plain", "text/csv", "application/json"])
async def test_a_repeated_reply_has_the_type_of_the_first(database, media_type: str) -> None:
    sessions.clear_cache()

    @post("/api/v1/words", guards=[ADMIN], operation_id="SayWords")
    async def words() -> Response[str]:
        return Response("words", media_type=media_type)

    app = create_app(replace(database, api_admin_token=ADMIN_TOKEN), extra=[words])
    async with calling(app) as client:
        headers = {**ADMIN_HEADERS, "Idempotency-Key": "order-7"}
        first, second = [await client.post("/api/v1/words", headers=headers) for _ in range(2)]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers.get_list("Content-Type") == first.headers.get_list("Content-Type")
