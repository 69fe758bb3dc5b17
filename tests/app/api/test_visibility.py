"""What is not visible to a viewer of some tags is in no response of any route, and on no socket."""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import structs

from app import live
from app.api.http.query_params import KNOWN_PARAMETERS
from app.main import create_app
from app.security.auth.policy import VIEWER
from app.settings import Settings
from app.store.identity import sessions
from app.store.transactions import monitors
from app.store.transactions.monitors import MonitorQuery
from schema.events import EventKind
from tests.app.api.loop_socket import LoopSocket
from tests.app.api.running_app import ADMIN_TOKEN, Client, Headers, calling
from tests.app.api.tagged_monitors import ADMIN_HEADERS, STEPS, Planted
from tests.app.live.listeners import beat, event

API = "/api/v1"
PARAMETER = re.compile(r"\{[^}]+\}")
CHANGING = re.compile(r'"(timestamp|request_id)":"[^"]*"')


@pytest.fixture
async def planted(client: Client) -> Planted:
    return await Planted(client).plant()


@pytest.fixture
async def bob(planted: Planted) -> Headers:
    """Sees by the open tag."""
    return (await planted.viewer(planted.open_tag))[1]


def readable(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and (found := route.route_handler_map.get("GET")):
            yield route.path, found[0]


def addresses(app: Litestar, ids: list[str]) -> list[str]:
    """Every address that can be read: each parameter of a path in turn one of the ids, and so in the query."""
    found = []
    for path, handler in readable(app):
        parts = PARAMETER.findall(path)
        paths = [_filled(path, parts, values) for values in product(ids, repeat=len(parts))]
        queries = [
            f"?{name}={id_}" for name in sorted(handler.opt[KNOWN_PARAMETERS]) if name.endswith("_id") for id_ in ids
        ]
        found += [one + query for one in paths for query in ["", *queries]]
    return found


def _filled(path: str, parts: list[str], values: tuple[str, ...]) -> str:
    for part, id_ in zip(parts, values, strict=True):
        path = path.replace(part, id_, 1)
    return path


async def leaks(app: Litestar, planted: Planted, headers: Headers) -> dict[str, list[str]]:
    """Addresses whose response contains hidden names or ids, with what it contains."""
    hidden = [planted.secret["id"], planted.bare["id"], planted.beats[planted.secret["id"]][0], planted.incident["id"]]
    visible = [planted.plain["id"], planted.group["id"], planted.beats[planted.plain["id"]][0], planted.open_tag["id"]]
    leaked: dict[str, list[str]] = {}
    for at in addresses(app, [*hidden, *visible, planted.secret_tag["id"]]):
        response = await planted.client.get(at, headers=headers)
        assert response.status_code < 500, (at, response.text)
        found = [name for name, text in planted.needles.items() if text in response.text and text not in at]
        if found:
            leaked[at] = found
    return leaked


async def test_no_route_gives_away_what_a_viewer_does_not_see(
    application: Litestar, planted: Planted, bob: Headers
) -> None:
    assert await leaks(application, planted, bob) == {}


async def test_the_leak_search_finds_what_an_admin_sees(application: Litestar, planted: Planted) -> None:
    found = set(await leaks(application, planted, ADMIN_HEADERS))
    lists = {"/monitors", "/heartbeats", "/checks", "/results", "/tags", "/incidents", "/deliveries"}
    assert {f"{API}{path}" for path in lists} <= found
    assert f"{API}/monitors/{planted.secret['id']}" in found
    assert f"{API}/monitors/{planted.group['id']}" in found  # its members
    assert f"{API}/results/{planted.beats[planted.secret['id']][0]}" in found


@get("/api/v1/forgetful", guards=[VIEWER], operation_id="Forgetful")
async def forgetful() -> list[Any]:
    """Return the names of all monitors to any caller."""
    return [one.name for one in (await monitors.list_page(MonitorQuery()))[0]]


@pytest.fixture
async def leaking(database: Settings) -> AsyncIterator[tuple[Litestar, Planted]]:
    sessions.clear_cache()
    settings = replace(database, registration_open=True, api_admin_token=ADMIN_TOKEN)
    app = create_app(settings, extra=[forgetful])
    async with calling(app) as client:
        yield app, await Planted(client).plant()


async def test_a_new_route_that_forgets_is_found(leaking: tuple[Litestar, Planted]) -> None:
    app, planted = leaking
    _, bob = await planted.viewer(planted.open_tag)
    assert await leaks(app, planted, bob) == {"/api/v1/forgetful": ["secret name", "bare name"]}


async def test_hidden_resources_answer_like_missing_ones(application: Litestar, planted: Planted, bob: Headers) -> None:
    beat_id = planted.beats[planted.secret["id"]][0]
    pairs = [(planted.secret["id"], str(uuid4())), (planted.secret_tag["id"], str(uuid4()))]
    pairs.append((beat_id, f"{int(beat_id, 16) + 1:x}"))
    pairs.append((planted.incident["id"], str(uuid4())))
    for hidden, nowhere in pairs:
        for at, other in zip(addresses(application, [hidden]), addresses(application, [nowhere]), strict=True):
            if at != other:
                responses = [await planted.client.get(one, headers=bob) for one in (at, other)]
                texts = [
                    CHANGING.sub("", one.text).replace(id_, "")
                    for one, id_ in zip(responses, (hidden, nowhere), strict=True)
                ]
                assert responses[0].status_code == responses[1].status_code, at
                assert texts[0] == texts[1], at


@pytest.mark.parametrize("path", ["/monitors/{}", "/monitors/{}/heartbeats", "/checks/{}", "/results/check/{}"])
async def test_a_hidden_resource_is_not_found(planted: Planted, bob: Headers, path: str) -> None:
    for one, status in ((planted.secret, 404), (planted.bare, 404), (planted.plain, 200)):
        assert (await planted.client.get(API + path.format(one["id"]), headers=bob)).status_code == status


async def test_lists_and_totals_hold_visible_resources_only(planted: Planted, bob: Headers) -> None:
    async def get(path: str, headers: Headers = bob) -> Any:
        return (await planted.client.get(API + path, headers=headers)).json()

    assert [one["name"] for one in (await get("/monitors"))["monitors"]] == ["a-group", "plainly-visible"]
    assert (await get("/monitors?limit=1"))["pagination"]["total"] == 2
    assert (await get("/checks"))["total"] == 2
    assert (await get("/heartbeats"))["total"] == STEPS
    assert (await get("/results"))["total"] == STEPS
    assert [one["title"] for one in (await get("/incidents"))["incidents"]] == ["plainly-visible is down"]
    assert ((await get("/incidents/metrics"))["count"], (await get("/incidents/metrics", ADMIN_HEADERS))["count"]) == (
        1,
        3,
    )
    assert (await get("/results/summary"))["total_checks"] == STEPS
    assert (await get("/results/summary", ADMIN_HEADERS))["total_checks"] == 3 * STEPS
    assert [(one["name"], one["monitors"]) for one in (await get("/tags"))["tags"]] == [("open", 2)]
    assert [one["monitors"] for one in (await get("/proxies"))["proxies"]] == [1]
    assert [one["monitors"] for one in (await get("/proxies", ADMIN_HEADERS))["proxies"]] == [3]
    assert [one["monitors"] for one in (await get("/escalations"))["escalations"]] == [1]
    assert [one["monitors"] for one in (await get("/escalations", ADMIN_HEADERS))["escalations"]] == [2]
    assert [one["tag_ids"] for one in (await get("/notification-channels"))["notification_channels"]] == [[]]


async def test_a_monitor_lists_only_visible_tags_and_members(planted: Planted, bob: Headers) -> None:
    plain = (await planted.client.get(f"{API}/monitors/{planted.plain['id']}", headers=bob)).json()
    assert [one["name"] for one in plain["tags"]] == ["open"]
    group = (await planted.client.get(f"{API}/monitors/{planted.group['id']}", headers=bob)).json()
    assert group["config"]["members"] == [planted.plain["id"]]
    by_other = await planted.client.get(f"{API}/monitors?tag=covert", headers=bob)
    assert by_other.json() == {"monitors": [], "total": 0}


async def test_a_change_of_visibility_applies_to_the_next_request(planted: Planted) -> None:
    bob_id, bob = await planted.viewer(planted.open_tag)
    at = f"{API}/monitors/{planted.secret['id']}"
    assert (await planted.client.get(at, headers=bob)).status_code == 404
    await planted.narrow(bob_id, planted.secret_tag)
    assert (await planted.client.get(at, headers=bob)).status_code == 200
    await planted.narrow(bob_id)
    assert (await planted.client.get(f"{API}/monitors", headers=bob)).json()["total"] == 4


async def test_a_socket_carries_visible_heartbeats_only(application: Litestar, planted: Planted, bob: Headers) -> None:
    socket = LoopSocket(application, bob)
    hidden, plain = planted.secret["id"], planted.plain["id"]
    channels = ["heartbeats", f"monitor:{hidden}", f"monitor:{plain}", "events"]
    assert (await socket.ask(type="subscribe", channels=channels))["type"] == "subscribed"
    await live.publish([beat(hidden)], [event_of(hidden)])
    await live.publish([beat(hidden), beat(plain)], [event_of(hidden), event_of(plain)])
    messages = [await socket.receive() for _ in range(3)]
    assert {one["channel"] for one in messages} == {"heartbeats", f"monitor:{plain}", "events"}
    assert hidden not in str(messages)
    assert (await socket.ask(type="ping", timestamp=7))["type"] == "pong"  # and nothing before it
    await socket.hang_up()


def event_of(monitor_id: str, kind: EventKind = EventKind.MONITOR_DOWN) -> Any:
    return structs.replace(event(kind), monitor_id=monitor_id)


async def test_the_incident_channel_carries_visible_incidents_only(
    application: Litestar, planted: Planted, bob: Headers
) -> None:
    socket = LoopSocket(application, bob)
    await socket.ask(type="subscribe", channels=["incidents"])
    opened = EventKind.INCIDENT_OPENED
    about_none = structs.replace(event(opened), monitor_id=None)
    plain = event_of(planted.plain["id"], opened)
    await live.publish([], [event_of(planted.secret["id"], opened), event_of(planted.plain["id"]), plain, about_none])
    assert [(await socket.receive())["id"] for _ in range(2)] == [plain.id, about_none.id]
    assert (await socket.ask(type="ping", timestamp=7))["type"] == "pong"  # and nothing before it
    await socket.hang_up()


async def test_a_replay_carries_visible_messages_only(application: Litestar, planted: Planted, bob: Headers) -> None:
    await live.publish([beat(planted.secret["id"])])
    await live.publish([beat(planted.plain["id"]), beat(planted.bare["id"])])
    socket = LoopSocket(application, bob)
    channels = ["heartbeats", f"monitor:{planted.secret['id']}"]
    newest = (await socket.ask(type="subscribe", channels=channels))["seq"]["heartbeats"]
    await socket.ask(type="unsubscribe", channels=channels)
    await socket.ask(type="subscribe", channels=channels, since=newest - 2)
    assert [one["monitor_id"] for one in (await socket.receive())["data"]] == [planted.plain["id"]]
    assert (await socket.ask(type="ping", timestamp=7))["type"] == "pong"
    await socket.hang_up()


async def test_a_socket_gets_a_monitor_with_its_tag_at_once_and_its_end(
    application: Litestar, planted: Planted, bob: Headers
) -> None:
    socket = LoopSocket(application, bob)
    await socket.ask(type="subscribe", channels=["events"])
    fresh = await planted.monitor("fresh", {"url": "http://127.0.0.1:9/"}, planted.open_tag)
    messages = await socket.receive()
    assert (messages["event"], messages["monitor_id"]) == ("monitor.created", fresh["id"])
    for gone in (planted.secret, fresh):
        await planted.client.delete(f"{API}/monitors/{gone['id']}", headers=ADMIN_HEADERS)
    messages = await socket.receive()
    assert (messages["event"], messages["monitor_id"]) == ("monitor.deleted", fresh["id"])
    await socket.hang_up()


async def test_a_socket_closes_when_visibility_changes(application: Litestar, planted: Planted) -> None:
    bob_id, bob = await planted.viewer(planted.open_tag)
    socket = LoopSocket(application, bob)
    await socket.ask(type="subscribe", channels=["heartbeats"])
    await planted.narrow(bob_id, planted.secret_tag)
    assert (await socket.receive())["error"]["code"] == "UNAUTHORIZED"
    assert (await socket.receive())["code"] == 4401
