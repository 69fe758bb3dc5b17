"""Values that would let their reader act are returned to operators and admins, never to viewers."""

from typing import Any

import msgspec
import pytest
from litestar import Litestar

from app.security.secrets import config_views
from schema.channels import PROVIDERS
from schema.field_types import MASK
from schema.status import Role
from schema.targets import TARGETS
from tests.app.api.credentials import signed_in
from tests.app.api.running_app import ADMIN_TOKEN, Client
from tests.app.api.test_visibility import addresses

API = "/api/v1"
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
HIDDEN = "sesame-opens"
CONFIGS: dict[str, dict[str, Any]] = {
    "http": {
        "url": f"https://127.0.0.1:9/a?token={HIDDEN}",
        "body": HIDDEN,
        "auth": {
            "method": "oauth2",
            "token_url": f"https://127.0.0.1:9/t?k={HIDDEN}",
            "client_id": "c",
            "client_secret": "s",
        },
    },
    "website": {"url": f"https://127.0.0.1:9/a?token={HIDDEN}", "method": "POST", "body": HIDDEN},
    "websocket": {"url": f"wss://127.0.0.1:9/a?token={HIDDEN}", "subprotocol": HIDDEN, "send": HIDDEN},
    "tcp": {"host": "127.0.0.1", "port": 9, "send": HIDDEN},
    "mqtt": {"host": "127.0.0.1", "port": 9, "topic": "t", "websocket_path": f"/mqtt?key={HIDDEN}"},
    "grpc": {"host": "127.0.0.1", "port": 9, "method": "a.B/C", "body": f'{{"k": "{HIDDEN}"}}'},
    "dns": {"host": "a.example", "transport": "https", "resolver_url": f"https://dns.example/{HIDDEN}"},
    "rabbitmq": {"nodes": [f"https://127.0.0.1:9/?k={HIDDEN}"], "username": "u", "password": "p"},
    "kafka-producer": {"brokers": ["127.0.0.1:9"], "topic": "t", "message": HIDDEN},
    "webhook": {
        "url": f"https://hooks.example/{HIDDEN}?{HIDDEN}",
        "body": f'"{HIDDEN}"',
        "query": {"key": HIDDEN},
    },
    "smtp": {"host": "a.example", "sender": "a@a.example", "to": ["b@a.example"], "headers": {"X-Key": HIDDEN}},
    "ntfy": {"topic": HIDDEN, "server_url": f"https://ntfy.example/?k={HIDDEN}"},
    "gotify": {"server_url": f"https://gotify.example/?k={HIDDEN}", "app_token": "t"},
}


def path_of(type_: str) -> str:
    return f"{API}/monitors" if type_ in TARGETS else f"{API}/notification-channels"


async def added(client: Client) -> dict[str, str]:
    """One of each; ids by type."""
    ids = {}
    for type_, config in CONFIGS.items():
        response = await client.post(
            path_of(type_), json={"name": type_, "type": type_, "config": config}, headers=ADMIN
        )
        assert response.status_code == 201, response.text
        ids[type_] = response.json()["id"]
    return ids


def test_every_restricted_field_of_a_type_is_tried() -> None:
    kinds = {**TARGETS, **PROVIDERS}
    having = {
        name
        for name, kind in kinds.items()
        if any(config_views.restriction_of(one.type) for one in msgspec.structs.fields(kind))
    }
    servers = {name for name in PROVIDERS if "server_url" in PROVIDERS[name].__struct_fields__}  # one stands for all
    assert having - servers <= CONFIGS.keys()
    for name, config in CONFIGS.items():
        fields = {one.name for one in msgspec.structs.fields(kinds[name]) if config_views.restriction_of(one.type)}
        assert {field for field in fields if HIDDEN not in str(config.get(field))} == set(), name


async def test_no_route_shows_it_to_viewers(client: Client, application: Litestar) -> None:
    ids = await added(client)
    headers = await signed_in(client, Role.VIEWER)
    responses = [await client.get(one, headers=headers) for one in addresses(application, [*ids.values()])]
    assert sum(MASK in one.text for one in responses) >= 2 * len(CONFIGS)
    assert [str(one.url) for one in responses if HIDDEN in one.text] == []


async def test_a_list_cached_for_an_operator_is_not_sent_to_a_viewer(client: Client) -> None:
    await added(client)
    viewer = await signed_in(client, Role.VIEWER)
    for headers, is_shown in ((ADMIN, True), (viewer, False), (ADMIN, True)):
        response = await client.get(f"{API}/checks?per_page=100", headers=headers)
        assert (response.status_code, HIDDEN in response.text) == (200, is_shown)


@pytest.mark.parametrize("type_", CONFIGS)
async def test_operators_see_it_whole(client: Client, type_: str) -> None:
    ids = await added(client)
    headers = await signed_in(client, Role.OPERATOR)
    for view in ["checks", "monitors"] if type_ in TARGETS else ["notification-channels"]:
        printed = (await client.get(f"{API}/{view}/{ids[type_]}", headers=headers)).json()["config"]
        listed = (await client.get(f"{API}/{view}", headers=headers)).text
        assert str(printed).count(HIDDEN) == str(CONFIGS[type_]).count(HIDDEN)
        assert listed.count(HIDDEN) >= str(CONFIGS[type_]).count(HIDDEN)
