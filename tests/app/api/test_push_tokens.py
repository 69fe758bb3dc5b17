"""A push token is returned when it is created, and to admins who request it on the record; nowhere else."""

from typing import Any

import pytest
from litestar import Litestar

from app.api.monitoring import push_ingest
from schema.field_types import MASK
from schema.status import Role
from tests.app.api.credentials import signed_in, with_key
from tests.app.api.running_app import ADMIN_TOKEN, Client
from tests.app.api.test_visibility import addresses

API = "/api/v1"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
CONFIG = {"grace": 300}


async def added(client: Client, view: str = "monitors", **changes: Any) -> dict[str, Any]:
    """A push monitor; the reply of who added it."""
    draft = {"name": "Backup", "type": "push", "config": CONFIG, "interval": 60}
    if view == "checks":
        draft = {"name": "Backup", "plugin_type": "push", "config": CONFIG, "schedule": "every 1 minute"}
    response = await client.post(f"{API}/{view}", json=draft | changes, headers=ADMIN)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def takes(client: Client, token: str) -> int:
    """What a report by this token is answered."""
    push_ingest.clear_endpoints()
    return (await client.get(f"{API}/push/{token}")).status_code


@pytest.mark.parametrize("view", ["monitors", "checks"])
async def test_adding_a_monitor_returns_its_token_once(client: Client, view: str) -> None:
    made = await added(client, view)
    assert await takes(client, made["config"]["token"]) == 200
    for path in (f"monitors/{made['id']}", f"checks/{made['id']}"):
        again = (await client.get(f"{API}/{path}", headers=ADMIN)).json()
        assert again["config"]["token"] == MASK


@pytest.mark.parametrize("role", Role)
async def test_no_route_shows_it_to_anybody(client: Client, application: Litestar, role: Role) -> None:
    made = await added(client)
    headers = await signed_in(client, role)
    responses = [await client.get(one, headers=headers) for one in addresses(application, [made["id"]])]
    assert sum(made["id"] in one.text and one.is_success for one in responses) >= 4
    assert [str(one.url) for one in responses if made["config"]["token"] in one.text + str(one.headers)] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "monitors/{}", {"name": "Nightly"}),
        ("PATCH", "monitors/{}", {"config": {"token": MASK, "grace": 7}}),
        ("PATCH", "monitors/{}", {"config": {}}),
        ("PUT", "monitors/{}", {"config": {"token": MASK}}),
        ("PUT", "checks/{}", {"config": {"token": MASK}}),
        ("POST", "monitors/{}/pause", None),
        ("POST", "monitors/{}/resume", None),
    ],
)
async def test_a_change_keeps_the_token_and_does_not_show_it(
    client: Client, method: str, path: str, body: dict[str, Any] | None
) -> None:
    made = await added(client)
    response = await client.request(method, f"{API}/{path.format(made['id'])}", json=body, headers=ADMIN)
    assert (response.status_code, response.json()["config"]["token"]) == (200, MASK), response.text
    await client.post(f"{API}/monitors/{made['id']}/resume", headers=ADMIN)
    assert await takes(client, made["config"]["token"]) == 200


async def test_a_new_monitor_has_no_token_that_a_mask_could_stand_for(client: Client) -> None:
    draft = {"name": "Backup", "type": "push", "config": {"token": MASK}}
    response = await client.post(f"{API}/monitors", json=draft, headers=ADMIN)
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, "config.token")


async def test_admins_get_it_on_request_and_that_is_recorded(client: Client) -> None:
    made = await added(client)
    token = made["config"]["token"]
    response = await client.post(f"{API}/monitors/{made['id']}/show-token", headers=ADMIN)
    assert response.json() == {"id": made["id"], "token": token, "path": f"{API}/push/{token}"}
    (entry,) = (await client.get(f"{API}/audit?action=monitor.token_shown", headers=ADMIN)).json()["entries"]
    assert (entry["actor"], entry["resource"], entry["resource_id"]) == ("api-admin", "monitor", made["id"])
    assert token not in (await client.get(f"{API}/audit", headers=ADMIN)).text


@pytest.mark.parametrize("limits", [{"role": "operator"}, {"scopes": ["monitors:read"]}], ids=str)
@pytest.mark.parametrize("verb", ["show-token", "rotate-token"])
async def test_the_token_is_hidden_from_callers_who_may_not_change_monitors(
    client: Client, verb: str, limits: dict[str, Any]
) -> None:
    made = await added(client)
    headers = await with_key(**limits)(client)
    assert (await client.post(f"{API}/monitors/{made['id']}/{verb}", headers=headers)).status_code == 403


async def test_a_rotated_token_ends_and_the_new_one_counts(client: Client) -> None:
    made = await added(client)
    assert await takes(client, made["config"]["token"]) == 200
    at = f"{API}/monitors/{made['id']}"
    stale = await client.post(f"{at}/rotate-token", headers=ADMIN | {"If-Match": '"7"'})
    assert stale.status_code == 412
    new = (await client.post(f"{at}/rotate-token", headers=ADMIN | {"If-Match": '"1"'})).json()["token"]
    assert [await takes(client, one) for one in (made["config"]["token"], new)] == [404, 200]
    now = (await client.get(at, headers=ADMIN)).json()
    assert (now["config"], now["version"]) == ({"type": "push", "token": MASK, "grace": 300}, 2)
    (entry,) = (await client.get(f"{API}/audit?action=monitor.token_rotated&outcome=done", headers=ADMIN)).json()[
        "entries"
    ]
    assert entry["resource_id"] == made["id"]


@pytest.mark.parametrize("verb", ["show-token", "rotate-token"])
async def test_other_monitors_have_none(client: Client, verb: str) -> None:
    draft = {"name": "web", "type": "tcp", "config": {"host": "127.0.0.1", "port": 9}}
    made = (await client.post(f"{API}/monitors", json=draft, headers=ADMIN)).json()
    assert (await client.post(f"{API}/monitors/{made['id']}/{verb}", headers=ADMIN)).status_code == 409
    assert (await client.post(f"{API}/monitors/{'0' * 8}-0000-4000-8000-{'0' * 12}/{verb}", headers=ADMIN)).is_error
