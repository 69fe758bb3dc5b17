"""Every refusal has one shape, whatever refused."""

from datetime import datetime
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.params import FromPath
from redis.exceptions import ConnectionError as RedisConnectionError

from app import db
from app.errors import Conflict, NoSuch, Stale, TooMany, Unavailable, Upstream
from app.main import create_app
from app.security.auth.policy import ANYONE
from app.settings import Settings
from tests.app.api.running_app import Client, Headers, calling

REGISTER = "/api/v1/auth/register"
JSON = {"Content-Type": "application/json"}
RAISED: dict[str, Exception] = {
    "missing": NoSuch("monitor", "7"),
    "conflict": Conflict("Taken."),
    "stale": Stale("Older."),
    "later": TooMany("Later.", retry_after_s=60),
    "upstream": Upstream("No answer."),
    "unavailable": Unavailable("Not now."),
    "redis": RedisConnectionError("gone"),
    "database": OSError("gone"),
    "bug": ZeroDivisionError("secret detail"),
    **{kind.__name__: kind("gone") for kind in db.TRANSIENT_ERRORS},
}


@get("/raise/{what:str}", guards=[ANYONE])
async def raises(what: FromPath[str]) -> None:
    raise RAISED[what]


def body_of(response: Any) -> dict[str, Any]:
    """The error, after looking at its shape."""
    error: dict[str, Any] = response.json()["error"]
    assert set(error) - {"retry_after"} == {"code", "message", "details", "timestamp", "request_id"}
    assert error["request_id"] == response.headers["X-Request-ID"]
    assert error["timestamp"].endswith("Z")
    assert datetime.fromisoformat(error["timestamp"]).tzinfo is not None
    assert error["message"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", "/api/v1/nothing", {}, 404, "NOT_FOUND"),
        ("GET", "/nothing", {}, 404, "NOT_FOUND"),
        ("DELETE", REGISTER, {}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", REGISTER, {"content": b"{", "headers": JSON}, 400, "BAD_REQUEST"),
        ("POST", REGISTER, {"content": b"", "headers": JSON}, 400, "BAD_REQUEST"),
        ("POST", REGISTER, {"content": b'"\xff"', "headers": JSON}, 400, "BAD_REQUEST"),
        ("POST", REGISTER, {"content": b"[" * 100_000, "headers": JSON}, 400, "BAD_REQUEST"),
        ("POST", REGISTER, {"data": {"email": "x"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", REGISTER, {"content": b" " * 1_000_001, "headers": JSON}, 413, "PAYLOAD_TOO_LARGE"),
        ("POST", REGISTER, {"json": {}}, 422, "VALIDATION_ERROR"),
        ("GET", "/api/v1/auth/me", {}, 401, "UNAUTHORIZED"),
        ("GET", "/api/v1/version?strange=1", {}, 422, "VALIDATION_ERROR"),
    ],
)
async def test_every_error_path_answers_in_the_one_shape(
    client: Client, method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    response = await client.request(method, path, **sent)
    assert (response.status_code, body_of(response)["code"]) == (status, code), response.text


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("missing", 404, "RESOURCE_NOT_FOUND"),
        ("conflict", 409, "CONFLICT"),
        ("stale", 412, "PRECONDITION_FAILED"),
        ("later", 429, "RATE_LIMITED"),
        ("upstream", 502, "BAD_GATEWAY"),
        ("unavailable", 503, "SERVICE_UNAVAILABLE"),
        ("redis", 503, "SERVICE_UNAVAILABLE"),
        ("database", 503, "SERVICE_UNAVAILABLE"),
        ("bug", 500, "INTERNAL_ERROR"),
    ],
)
async def test_every_exception_of_a_handler_has_one_shape(
    database: Settings, what: str, status: int, code: str
) -> None:
    async with calling(create_app(database, extra=[raises])) as client:
        response = await client.get(f"/raise/{what}")
    assert (response.status_code, body_of(response)["code"]) == (status, code)
    assert "secret detail" not in response.text


async def test_transient_database_errors_return_503_with_retry_after(database: Settings) -> None:
    async with calling(create_app(database, extra=[raises])) as client:
        responses = {kind.__name__: await client.get(f"/raise/{kind.__name__}") for kind in db.TRANSIENT_ERRORS}
    assert {response.status_code for response in responses.values()} == {503}
    assert {body_of(response)["code"] for response in responses.values()} == {"SERVICE_UNAVAILABLE"}
    assert {response.headers["Retry-After"] for response in responses.values()} == {"5"}


async def test_a_retry_reply_has_the_wait(database: Settings) -> None:
    async with calling(create_app(database, extra=[raises])) as client:
        response = await client.get("/raise/later")
    assert (response.headers["Retry-After"], body_of(response)["retry_after"]) == ("60", 60)


async def test_a_missing_thing_names_itself(database: Settings) -> None:
    async with calling(create_app(database, extra=[raises])) as client:
        assert body_of(await client.get("/raise/missing"))["details"] == {"resource": "monitor", "id": "7"}


@pytest.mark.parametrize(("sent", "n_kept"), [("req-123", 1), ("a" * 64, 1), ("a" * 65, 0), ("a b", 0), ("a\u00e4", 0)])
async def test_a_sane_request_id_is_taken_over_and_another_replaced(client: Client, sent: str, n_kept: int) -> None:
    response = await client.get("/api/v1/version", headers=[(b"X-Request-ID", sent.encode())])
    assert [response.headers["X-Request-ID"]].count(sent) == n_kept
    assert response.headers["X-Request-ID"]


async def test_a_refused_method_lists_those_allowed(client: Client) -> None:
    assert "POST" in (await client.delete(REGISTER)).headers["Allow"]


async def test_without_the_role_a_route_is_forbidden(client: Client, viewer: Headers, application: Litestar) -> None:
    response = await client.request("POST", "/api/v1/monitors", json={}, headers=viewer)
    assert (response.status_code, body_of(response)["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("path", ["/health", "/api/v1/version", "/api/v1/nothing"])
async def test_head_answers_what_get_would_without_a_body(client: Client, path: str) -> None:
    head, get_ = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (get_.status_code, b"")
    assert head.headers["Content-Type"] == get_.headers["Content-Type"]
