"""Every body of every route accepts the fields it declares, and no others."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from app.api.http import bodies
from tests import make
from tests.app.api.running_app import ADA, ADMIN_TOKEN, Client
from tests.app.api.test_policy import routes_of

pytestmark = pytest.mark.either_engine

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
FORBIDDEN = (
    "id", "role", "is_admin", "user_id", "owner_id", "created_at", "updated_at", "version", "password_hash", "active",
    "push_token", "status", "seq", "__class__", "colour_nobody_knows",
)  # fmt: skip
DOCUMENTED: dict[str, frozenset[str]] = {}  # operation → unknown fields that its page says are ignored; none so far


def bodies_of(application: Litestar) -> list[tuple[str, str, str, list[type[msgspec.Struct]]]]:
    """(method, path, operation, structs that may be sent) of every route that reads a JSON object."""
    found = []
    for path, method, handler in routes_of(application):
        field = handler.parsed_fn_signature.parameters.get("data") if isinstance(handler, HTTPRouteHandler) else None
        if field is not None:
            found.append((method, path, str(handler), structs_of(field.annotation)))
    return found


def structs_of(annotation: Any) -> list[type[msgspec.Struct]]:
    wire = bodies.wire_type(annotation)
    parts = getattr(wire, "__args__", (wire,))
    return [one for one in parts if isinstance(one, type) and issubclass(one, msgspec.Struct)]


def filled(path: str) -> str:
    return "/".join(UNKNOWN_ID if part.startswith("{") else part for part in path.split("/"))


def test_every_body_is_one_that_refuses_unknown_fields(application: Litestar) -> None:
    found = bodies_of(application)
    assert len(found) > 10
    for method, path, _, structs in found:
        assert structs, (method, path)
        assert all(one.__struct_config__.forbid_unknown_fields for one in structs), (method, path)


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_field_that_is_not_declared_is_refused_by_its_name(
    client: Client, application: Litestar, name: str
) -> None:
    tried = 0
    for method, path, operation, structs in bodies_of(application):
        names = {one.encode_name for struct in structs for one in msgspec.structs.fields(struct)}
        tag = structs[0].__struct_config__
        if name in names or name in DOCUMENTED.get(operation, ()):
            continue
        sent = {name: True, **({tag.tag_field: tag.tag} if tag.tag_field else {})}
        response = await client.request(method, filled(path), json=sent, headers=ADMIN_HEADERS)
        assert response.status_code == 422, (method, path, response.text)
        fields = {one["field"] for one in response.json()["error"]["details"]["fields"]}
        assert name in fields, (method, path, fields)
        tried += 1
    assert tried > 0


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/api/v1/monitors", make.monitor_json()),
        ("/api/v1/notification-channels", make.channel_json()),
        ("/api/v1/proxies", {"name": "office", "protocol": "http", "host": "proxy.lan", "port": 1}),
        ("/api/v1/checks", {"name": "web", "plugin_type": "http", "config": {"url": "http://127.0.0.1:9/"}}),
        ("/api/v1/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]}),
    ],
)
async def test_a_good_body_with_one_forbidden_field_makes_nothing(client: Client, path: str, good: dict) -> None:
    for name in ("id", "user_id", "created_at", "version"):
        response = await client.post(path, json={**good, name: UNKNOWN_ID}, headers=ADMIN_HEADERS)
        assert response.status_code == 422, (name, response.text)
    assert (await client.get(path, headers=ADMIN_HEADERS)).json()["total"] == 0
    assert (await client.post(path, json=good, headers=ADMIN_HEADERS)).status_code == 201


@pytest.mark.parametrize("forbidden", [{"role": "admin"}, {"is_admin": True}, {"id": UNKNOWN_ID}, {"active": False}])
async def test_signing_up_cannot_set_privileged_fields(client: Client, viewer, forbidden: dict) -> None:
    newcomer = {**ADA, "email": "eve@example.org", **forbidden}
    assert (await client.post("/api/v1/auth/register", json=newcomer)).status_code == 422
    assert (await client.patch("/api/v1/auth/me", json=forbidden, headers=viewer)).status_code == 422
    me = (await client.get("/api/v1/auth/me", headers=viewer)).json()
    assert (me["role"], me["is_admin"]) == ("viewer", False)


async def test_a_form_takes_no_more_than_the_fields_of_a_sign_in(client: Client, admin) -> None:
    form = {"username": ADA["email"], "password": ADA["password"], "grant_type": "password", "role": "viewer"}
    response = await client.post("/api/v1/auth/token", data=form)
    assert (response.status_code, response.json()["user"]["role"]) == (200, "admin")
