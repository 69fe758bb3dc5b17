"""A masked secret is kept for its destination only: a new destination needs the secret again."""

import pytest

from tests.app.api.running_app import ADMIN_TOKEN

pytestmark = pytest.mark.either_engine

MASK = "********"
HTTP = {"url": "http://127.0.0.1:9/a", "auth": {"method": "bearer", "token": "sesame"}}
OAUTH = {
    "url": "http://127.0.0.1:9/",
    "auth": {"method": "oauth2", "token_url": "http://127.0.0.1:9/t", "client_id": "c", "client_secret": "sesame"},
}
REDIS = {"host": "127.0.0.1", "port": 9, "password": "sesame"}
MYSQL = {"connection_string": "mysql://u:sesame@127.0.0.1:9/d"}
HOOK = {"url": "http://127.0.0.1:9/hook", "headers": {"X-Key": "sesame"}}
BOT = {"bot_token": "sesame", "chat_id": "1", "server_url": "http://127.0.0.1:9"}
MAIL = {"host": "127.0.0.1", "username": "u", "password": "sesame", "sender": "a@b.org", "to": ["c@d.org"]}
PAGER, GENIE = {"routing_key": "sesame"}, {"api_key": "sesame"}
PUSH = {
    "endpoint_url": "http://127.0.0.1:9/push",
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    "private_key": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
    "contact": "a@b.example",
}
OTHER_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
MONITOR, CHANNEL = "/api/v1/monitors", "/api/v1/notification-channels"


@pytest.fixture
def api(client):
    client.headers.update({"Authorization": f"Bearer {ADMIN_TOKEN}"})
    return client


async def changed(api, path: str, type_: str, config: dict, change: dict):
    made = await api.post(path, json={"name": "one", "type": type_, "config": config})
    assert made.status_code == 201, made.text
    printed = made.json()["config"]
    auth = {"auth": printed["auth"] | change["auth"]} if "auth" in change else {}
    return await api.patch(f"{path}/{made.json()['id']}", json={"config": printed | change | auth})


@pytest.mark.parametrize(
    ("path", "type_", "config", "change", "field"),
    [
        (MONITOR, "http", HTTP, {"url": "http://evil.example/a"}, "config.auth.token"),
        (MONITOR, "http", HTTP, {"url": "http://127.0.0.1:10/a"}, "config.auth.token"),
        (MONITOR, "http", HTTP, {"url": "https://127.0.0.1:9/a"}, "config.auth.token"),
        (MONITOR, "http", HTTP, {"resolver_server": "192.0.2.1"}, "config.auth.token"),
        (MONITOR, "http", OAUTH, {"auth": {"token_url": "http://evil.example/t"}}, "config.auth.client_secret"),
        (MONITOR, "http", HTTP, {"ignore_tls_errors": True}, "config.auth.token"),
        (MONITOR, "redis", REDIS, {"ignore_tls_errors": True}, "config.password"),
        (MONITOR, "redis", REDIS, {"host": "evil.example"}, "config.password"),
        (MONITOR, "redis", REDIS, {"port": 10}, "config.password"),
        (MONITOR, "redis", REDIS, {"host": "", "connection_string": "redis://evil.example"}, "config.password"),
        (CHANNEL, "webhook", HOOK, {"url": "http://evil.example/hook"}, "config.headers.X-Key"),
        (CHANNEL, "telegram", BOT, {"server_url": "http://evil.example"}, "config.bot_token"),
        (CHANNEL, "smtp", MAIL, {"host": "evil.example"}, "config.password"),
        (CHANNEL, "smtp", MAIL, {"ignore_tls_errors": True}, "config.password"),
        (CHANNEL, "smtp", MAIL, {"security": "none"}, "config.password"),
        (CHANNEL, "pagerduty", PAGER, {"server_url": "http://evil.example"}, "config.routing_key"),
        (CHANNEL, "opsgenie", GENIE, {"region": "eu"}, "config.api_key"),
        (CHANNEL, "webpush", PUSH, {"endpoint_url": "http://evil.example/", "private_key": OTHER_KEY}, "config.auth"),
    ],
)
async def test_a_secret_is_required_again_for_another_destination(api, path, type_, config, change, field):
    response = await changed(api, path, type_, config, change)
    assert response.status_code == 422
    (fault,) = response.json()["error"]["details"]["fields"]
    assert fault["field"] == field
    assert "must be sent again" in fault["message"]


@pytest.mark.parametrize(
    ("path", "type_", "config", "change"),
    [
        (MONITOR, "http", HTTP, {"url": "http://127.0.0.1:9/b?c=d", "keyword": "well"}),
        (MONITOR, "http", HTTP, {"url": "http://evil.example/", "auth": {"token": "another"}}),
        (MONITOR, "mysql", MYSQL, {"query": "SELECT 2"}),
        (CHANNEL, "webhook", HOOK, {"url": "http://127.0.0.1:9/other"}),
        (CHANNEL, "telegram", BOT, {"chat_id": "2"}),
        (CHANNEL, "opsgenie", GENIE, {"priority": "P2"}),
        (CHANNEL, "webpush", PUSH, {"ttl": 60}),
    ],
)
async def test_at_its_place_or_sent_anew_it_is_taken(api, path, type_, config, change):
    assert (await changed(api, path, type_, config, change)).status_code == 200


PROXY = {"name": "office", "protocol": "socks5", "host": "127.0.0.1", "port": 9, "password": "sesame"}


@pytest.mark.parametrize("expected", [{}, {"password": MASK}])
@pytest.mark.parametrize("change", [{"host": "evil.example"}, {"port": 10}, {"protocol": "http"}])
async def test_a_proxys_password_does_not_move_with_it(api, change, expected):
    at = f"/api/v1/proxies/{(await api.post('/api/v1/proxies', json=PROXY)).json()['id']}"
    response = await api.patch(at, json=change | expected)
    assert response.status_code == 422
    assert [one["field"] for one in response.json()["error"]["details"]["fields"]] == ["password"]
    assert (await api.patch(at, json=change | {"password": "another"})).status_code == 200
    assert (await api.patch(at, json={"name": "home"} | expected)).status_code == 200


async def going_through(api, proxy: str, name: str, config: dict) -> str:
    """A monitor that goes through the proxy; its id."""
    type_ = "websocket" if config["url"].startswith("ws") else "http"
    draft = {"name": name, "type": type_, "config": {"proxy_id": proxy, **config}}
    made = await api.post(MONITOR, json=draft)
    assert made.status_code == 201, made.text
    return made.json()["id"]


KEY = {"headers": {"X-Key": "sesame"}}


@pytest.mark.parametrize("change", [{"host": "evil.example"}, {"port": 10}, {"protocol": "http"}])
@pytest.mark.parametrize(
    "config",
    [
        {"url": "http://127.0.0.1:9/", **KEY},
        {"url": "http://127.0.0.1:9/", "auth": {"method": "basic", "username": "u", "password": "sesame"}},
        {"url": "https://127.0.0.1:9/", "ignore_tls_errors": True, **KEY},
        {"url": "ws://127.0.0.1:9/", **KEY},
        {"url": "https://127.0.0.1:9/", "auth": OAUTH["auth"]},
    ],
)
async def test_a_proxy_that_reads_secrets_of_monitors_stays_where_it_is(api, config, change):
    anew = {"username": "", "password": ""}
    proxy = (await api.post("/api/v1/proxies", json=PROXY)).json()["id"]
    trusting = await going_through(api, proxy, "Shop", config)
    await going_through(api, proxy, "Blog", {"url": "https://127.0.0.1:9/", **KEY})
    await going_through(api, proxy, "Plain", {"url": "http://127.0.0.1:9/"})
    response = await api.patch(f"/api/v1/proxies/{proxy}", json=change | anew)
    assert (response.status_code, response.json()["error"]["details"]) == (
        409,
        {"monitors": 1, "monitor_ids": [trusting], "channels": 0, "channel_ids": []},
    )
    assert "Shop" in response.json()["error"]["message"]
    assert (await api.get(f"/api/v1/proxies/{proxy}")).json()["host"] == PROXY["host"]
    assert (await api.patch(f"/api/v1/proxies/{proxy}", json={"name": "home", **anew})).status_code == 200
    assert (await api.delete(f"{MONITOR}/{trusting}")).status_code == 204
    assert (await api.patch(f"/api/v1/proxies/{proxy}", json=change | anew)).status_code == 200


async def test_a_refusal_to_move_a_proxy_names_twenty_monitors_at_most(api):
    proxy = (await api.post("/api/v1/proxies", json=PROXY)).json()["id"]
    for number in range(22):
        await going_through(api, proxy, f"m{number:02}", {"url": "http://127.0.0.1:9/", **KEY})
    error = (await api.patch(f"/api/v1/proxies/{proxy}", json={"port": 10, "password": "new"})).json()["error"]
    assert (error["details"]["monitors"], len(error["details"]["monitor_ids"])) == (22, 20)
    assert "m19, …" in error["message"]
