"""Ad-hoc checks: who may choose the destination, and what the audit log records."""

from typing import Any

import pytest

from app.store.system import settings
from schema.settings import SettingPatch
from schema.status import Role
from tests.app.api.credentials import signed_in
from tests.app.api.running_app import ADMIN_TOKEN, Client

API = "/api/v1"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
CHECKS: list[dict[str, Any]] = [
    {"plugin_type": "http", "config": {"url": "http://127.0.0.1:9/a?token=sesame", "headers": {"X-Key": "sesame"}}},
    {"plugin_type": "http", "config": {"url": "http://127.0.0.1:9/b"}},
    {"plugin_type": "mysql", "config": {"connection_string": "mysql://ann:sesame@127.0.0.1:9/d"}},
    {"plugin_type": "tcp", "config": {"host": "127.0.0.1", "port": 9, "send": "sesame"}},
    {"plugin_type": "tcp", "config": {"host": "127.0.0.1", "port": "sesame"}},
]


async def entry_of(client: Client, action: str) -> dict[str, Any]:
    """The only audit entry of this action."""
    (entry,) = (await client.get(f"{API}/audit?action={action}", headers=ADMIN)).json()["entries"]
    found: dict[str, Any] = entry
    return found


async def test_a_batch_leaves_an_entry_that_names_its_destinations(client: Client) -> None:
    body = {"checks": CHECKS, "timeout": 1}  # no worker runs them: the request alone counts
    assert (await client.post(f"{API}/batch/run-ad-hoc", json=body, headers=ADMIN)).status_code == 200
    change = (await entry_of(client, "batch.run"))["change"]
    assert sorted(change["destinations"]) == ["http 127.0.0.1:9", "mysql 127.0.0.1:9", "tcp 127.0.0.1:9"]
    assert "sesame" not in (await client.get(f"{API}/audit", headers=ADMIN)).text


async def test_a_batch_of_stored_checks_names_them(client: Client) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    body = {"checks": [unknown, "sesame"]}
    assert (await client.post(f"{API}/batch/run", json=body, headers=ADMIN)).status_code == 200
    assert (await entry_of(client, "batch.run"))["change"]["checks"] == [unknown]


async def test_destinations_are_bounded(client: Client) -> None:
    long = ".".join(["h" * 63] * 3)
    checks = [{"plugin_type": "tcp", "config": {"host": f"{no}.{long}", "port": 9}} for no in range(100)]
    await client.post(f"{API}/batch/run-ad-hoc", json={"checks": checks, "timeout": 1}, headers=ADMIN)
    found = (await entry_of(client, "batch.run"))["change"]["destinations"]
    assert len(found) <= 100
    assert max(map(len, found)) <= 150


@pytest.mark.parametrize(
    ("least", "role", "status"),
    [
        (None, Role.OPERATOR, 422),
        ("operator", Role.OPERATOR, 422),
        ("admin", Role.OPERATOR, 403),
        ("admin", Role.ADMIN, 422),
        ("operator", Role.VIEWER, 403),
    ],
)
async def test_the_setting_decides_who_may_run_what_is_not_stored(
    client: Client, least: str | None, role: Role, status: int
) -> None:
    headers = await signed_in(client, role)
    if least:
        await settings.update("checks.ad_hoc_role", SettingPatch(value=least))
    wrong = {"plugin_type": "tcp", "config": {}}
    single = await client.post(f"{API}/checks/run", json=wrong, headers=headers)
    batch = await client.post(f"{API}/batch/run-ad-hoc", json={"checks": [wrong]}, headers=headers)
    assert (single.status_code, batch.status_code) == (status, 403 if status == 403 else 200)
    stored = await client.post(f"{API}/batch/run", json={"checks": []}, headers=headers)
    assert (stored.status_code == 403) == (role is Role.VIEWER)


@pytest.mark.parametrize("value", ["viewer", "", 1, None, ["admin"]])
async def test_no_other_role_can_be_set(client: Client, value: object) -> None:
    response = await client.put(f"{API}/settings/key/checks.ad_hoc_role", json={"value": value}, headers=ADMIN)
    assert (response.status_code, response.json()["error"]["details"]["fields"][0]["field"]) == (422, "value")
