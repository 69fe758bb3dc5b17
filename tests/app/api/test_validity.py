"""An unusable config is a 422 on every route; one stored by an older version stays readable."""

from typing import Any

import msgspec
import pytest

from app import db
from app.domain.compat import field_names
from app.store.monitoring import series
from schema.monitors import UnreadableTarget
from tests import make
from tests.app.api.running_app import ADMIN_TOKEN

pytestmark = pytest.mark.either_engine

API = "/api/v1"
ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
USABLE: dict[str, dict[str, Any]] = {
    "http": {"url": "http://127.0.0.1:9/"},
    "website": {"url": "http://127.0.0.1:9/"},
    "websocket": {"url": "ws://127.0.0.1:9/"},
    "rabbitmq": {"nodes": ["http://127.0.0.1:9/"], "username": "a"},
    "tcp": {"host": "127.0.0.1", "port": 9},
    "dns": {"host": "a.test"},
    "ldap": {"host": "127.0.0.1"},
    "snmp": {"host": "127.0.0.1", "oid": "1.3.6.1"},
    "ssh": {"host": "127.0.0.1"},
    "grpc": {"host": "127.0.0.1", "port": 9},
    "mqtt": {"host": "127.0.0.1", "topic": "a"},
    "postgres": {"host": "127.0.0.1"},
    "mysql": {"host": "127.0.0.1"},
    "mongodb": {"host": "127.0.0.1"},
    "redis": {"host": "127.0.0.1"},
    "sqlserver": {"host": "127.0.0.1"},
}
WRONG = [  # type, what is wrong in its config, the field in the error, part of its message
    ("http", {"url": "http://127.0.0.1:99999/"}, "url", "port from 1 to 65535"),
    ("http", {"url": "http://["}, "url", "host or port"),
    ("http", {"url": "http://:80/"}, "url", "with a host in it"),
    ("http", {"headers": {"X-A": "a\nb"}}, "headers.X-A", "must be one line"),
    ("http", {"headers": {"X-A": "a\x1fb"}}, "headers.X-A", "without control characters"),
    ("http", {"auth": {"method": "bearer", "token": "a\x1f"}}, "auth.token", "without control characters"),
    (
        "http",
        {"auth": {"method": "digest", "username": "a\x7f", "password": "b"}},
        "auth.username",
        "without control characters",
    ),
    ("http", {"headers": {"X A": "b"}}, "headers", "is not the name of a header"),
    ("http", {"headers": {"": "b"}}, "headers", "is not the name of a header"),
    ("http", {"resolver_server": "dns.test"}, "resolver_server", "IP address"),
    ("http", {"tls_ca": "x"}, "tls_ca", "certificates in PEM"),
    (
        "http",
        {"auth": {"method": "oauth2", "token_url": "http://:1/", "client_id": "a", "client_secret": "b"}},
        "auth.token_url",
        "with a host in it",
    ),
    ("website", {"url": "http://a..b/"}, "url", "with a valid host"),
    ("websocket", {"url": "ws://127.0.0.1:0/"}, "url", "port from 1 to 65535"),
    ("rabbitmq", {"nodes": ["http://127.0.0.1:9/", "http://[/"]}, "nodes.1", "host or port"),
    ("tcp", {"host": "a.test:80"}, "host", "without a port"),
    ("dns", {"resolvers": ["127.0.0.1", "dns.test"]}, "resolvers.1", "IP address"),
    ("ldap", {"filter": "(cn=a"}, "filter", "closing parenthesis at character 6"),
    ("ldap", {"ca_cert": "x"}, "ca_cert", "certificates in PEM"),
    ("snmp", {"oid": "1.40.1"}, "oid", "object identifier"),
    ("ssh", {"username": "a", "private_key": "x"}, "private_key", "OpenSSH or in PEM"),
    ("ssh", {"username": "a\u202eb", "password": "x"}, "username", "a valid user name for SSH"),
    ("grpc", {"method": "a.B/C", "body": "{"}, "body", "is not JSON"),
    ("grpc", {"method": "a.B/C", "body": "[]"}, "body", "must be a JSON object"),
    ("mqtt", {"client_cert": "x"}, "client_key", "is required with client_cert"),
    ("postgres", {"connection_string": "postgres://u:p?w@h/db"}, "connection_string", "written as %2F, %3F and %23"),
    ("postgres", {"connection_string": "postgres://h/db?sslmode=maybe"}, "connection_string", "sslmode of"),
    ("postgres", {"connection_string": "postgres://h/?conect_timeout=1"}, "connection_string", "'connecttimeout'?"),
    ("mysql", {"connection_string": "mysql://h/?ssl-ca=/etc/ca.pem"}, "connection_string", "as `ca_cert`"),
    ("mysql", {"connection_string": "mysql://h:x/"}, "connection_string", "must look like mysql://"),
    ("mongodb", {"connection_string": "mongodb://h/?authMechanism=GSSAPI"}, "connection_string", "authMechanism"),
    ("redis", {"connection_string": "redis://h/shop"}, "connection_string", "the number of a database"),
    (
        "sqlserver",
        {"connection_string": "Server=h;Integrated Security=true"},
        "connection_string",
        "a User Id and",
    ),
]
TAKEN = [
    ("postgres", "postgresql://u:p@h/db?sslmode=require&channel_binding=require"),
    ("postgres", "postgresql://u:p@h/db?connect_timeout=10&application_name=x&target_session_attrs=read-write"),
    ("mysql", "mysql://u:p@h/db?ssl=true"),
    ("mysql", "mysql://u:p@h/db?ssl-mode=REQUIRED&charset=utf8mb4"),
]


AS_WRITTEN = [
    ("tcp", {"host": "bücher.test", "port": 9}),
    ("tcp", {"host": "[::1]", "port": 9}),
    ("ping", {"host": "::ffff:127.0.0.1"}),
    ("dns", {"host": "bücher.test"}),
    ("ssh", {"host": "fe80::1%eth0"}),
    ("http", {"url": "HTTP://bücher.test/"}),
    ("http", {"url": "http://[fe80::1%25eth0]/"}),
    ("websocket", {"url": "WSS://a.test/"}),
    ("domain", {"domain": "bücher.test"}),
]


@pytest.fixture
def api(client):
    client.headers.update(ADMIN_HEADERS)
    return client


def config_of(type_, changes):
    usable = {**USABLE[type_], **changes}
    return {name: value for name, value in usable.items() if name != "host" or "connection_string" not in changes}


def error_of(response, field, message):
    assert response.status_code == 422, response.text
    found = {one["field"]: one["message"] for one in response.json()["error"]["details"]["fields"]}
    assert message in found[field]


@pytest.mark.parametrize(("type_", "changes", "field", "message"), WRONG)
async def test_an_unusable_config_is_refused_on_every_route(api, type_, changes, field, message):
    config = config_of(type_, changes)
    error_of(await api.post(f"{API}/monitors", json=make.monitor_json(type_, config)), f"config.{field}", message)
    monitor = (await api.post(f"{API}/monitors", json=make.monitor_json(type_, USABLE[type_]))).json()
    for way in (api.patch, api.put):
        error_of(await way(f"{API}/monitors/{monitor['id']}", json={"config": config}), f"config.{field}", message)
    in_its_words = field_names.NAMES_BY_TYPE.get(type_, {}).get(field.partition(".")[0])
    if not in_its_words:
        error_of(
            await api.post(f"{API}/checks/run", json={"plugin_type": type_, "config": config}),
            f"config.{field}",
            message,
        )


@pytest.mark.parametrize(("type_", "text"), TAKEN)
async def test_connection_strings_with_driver_options_are_accepted(api, type_, text):
    response = await api.post(f"{API}/monitors", json=make.monitor_json(type_, {"connection_string": text}))
    assert response.status_code == 201, response.text


@pytest.mark.parametrize(("type_", "config"), AS_WRITTEN)
async def test_a_host_is_returned_as_it_was_written(api, type_, config):
    response = await api.post(f"{API}/monitors", json=make.monitor_json(type_, config))
    assert response.status_code == 201, response.text
    assert {name: response.json()["config"][name] for name in config} == config


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"host": "a:1"}, "host"), ({"host": "a..b"}, "host"), ({"password": "p" * 256, "username": "a"}, "password")],
)
async def test_a_proxy_that_can_not_be_used_is_named(api, changes, field):
    proxy = {"name": "office", "protocol": "socks5", "host": "proxy.lan", "port": 1080}
    error_of(await api.post(f"{API}/proxies", json={**proxy, **changes}), field, "must be")
    made = (await api.post(f"{API}/proxies", json=proxy)).json()
    error_of(await api.patch(f"{API}/proxies/{made['id']}", json=changes), field, "must be")


async def test_a_proxy_that_can_not_carry_the_protocol_is_refused(api):
    proxy = {"name": "office", "protocol": "https", "host": "proxy.lan", "port": 1080}
    made = (await api.post(f"{API}/proxies", json=proxy)).json()
    plain = {"url": "ws://127.0.0.1:9/", "proxy_id": made["id"]}
    error_of(
        await api.post(f"{API}/monitors", json=make.monitor_json("websocket", plain)), "config.proxy_id", "for ws://"
    )
    run = await api.post(f"{API}/checks/run", json={"plugin_type": "websocket", "config": plain})
    error_of(run, "config.proxy_id", "for ws://")
    encrypted = make.monitor_json("websocket", {**plain, "url": "wss://127.0.0.1:9/"})
    assert (await api.post(f"{API}/monitors", json=encrypted)).status_code == 201
    other = (await api.post(f"{API}/proxies", json={**proxy, "name": "other", "protocol": "http"})).json()
    monitor = make.monitor_json("websocket", {**plain, "proxy_id": other["id"]}, name="live")
    assert (await api.post(f"{API}/monitors", json=monitor)).status_code == 201
    changed = await api.patch(f"{API}/proxies/{other['id']}", json={"protocol": "https"})
    error_of(changed, "protocol", "ws:// addresses and mail servers: live")


@pytest.mark.parametrize(
    ("type_", "config", "field"),
    [
        ("gotify", {"server_url": "http://:80/", "app_token": "abc"}, "server_url"),
        ("webhook", {"url": "http://127.0.0.1:99999/"}, "url"),
        ("webhook", {"url": "http://127.0.0.1:9/", "headers": {"X": "a\nb"}}, "headers.X"),
        ("smtp", {"host": "a..b", "sender": "a@b.test", "to": ["a@b.test"]}, "host"),
    ],
)
async def test_a_channel_that_can_not_be_reached_is_named(api, type_, config, field):
    response = await api.post(f"{API}/notification-channels", json=make.channel_json(type=type_, config=config))
    error_of(response, f"config.{field}", "")


async def test_an_old_config_can_be_read_listed_and_renamed(api):
    """It was stored without validation; it cannot be changed into another invalid one, and breaks nothing else."""
    made = (await api.post(f"{API}/monitors", json=make.monitor_json())).json()
    other = (await api.post(f"{API}/monitors", json=make.monitor_json(name="other"))).json()
    old = {"type": "http", "url": "http://127.0.0.1:99999/", "headers": {"X A": "b"}, "regex": "("}
    async with db.transaction():
        await db.rows("UPDATE monitors SET config = ?1 WHERE id = ?2", msgspec.json.encode(old).decode(), made["id"])
    at = f"{API}/monitors/{made['id']}"
    assert (await api.get(at)).json()["config"]["url"] == old["url"]
    listed = (await api.get(f"{API}/monitors")).json()["monitors"]
    assert {one["id"] for one in listed} == {made["id"], other["id"]}
    assert (await api.patch(at, json={"name": "renamed"})).status_code == 200
    error_of_config = await api.patch(at, json={"config": {"url": "http://127.0.0.1:99999/"}})
    error_of(error_of_config, "config.url", "port from 1 to 65535")
    numbers = await db.rows("SELECT no FROM series")
    snapshots = await series.list_snapshots([row["no"] for row in numbers])
    assert len(snapshots) == 2
    assert not any(isinstance(one.target, UnreadableTarget) for one in snapshots)
