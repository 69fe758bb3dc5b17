import asyncio
import socket as tcp
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse as Socket, WSMessage, WSMsgType
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from app import live
from app.api.live import connection, session_watch
from app.api.live.subscription import Subscription
from app.live.subscriber import BACKLOG
from tests.app.api.running_app import SETUP
from tests.app.live.listeners import ONE, TWO, beat, event

pytestmark = pytest.mark.either_engine

ADMIN_TOKEN = "the-installations-own-token"  # as in conftest
BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOTH = pytest.mark.parametrize("path", ["/ws", "/api/v1/ws"])

Connect = Callable[..., Awaitable[Socket]]


class Site:
    """The application behind its real server, and a browser without manners."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._session = session

    async def connect(self, path: str = "/api/v1/ws", **headers: str) -> Socket:
        """A socket; the default is signed in by header."""
        raw_headers = {name.replace("_", "-"): value for name, value in headers.items()} or BEARER
        return await self._session.ws_connect(self.url + path, headers=raw_headers)

    async def connect_by_hand(self) -> Socket:
        """A socket that shows the pings, and answers none."""
        return await self._session.ws_connect(f"{self.url}/api/v1/ws", headers=BEARER, autoping=False)

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[Any, str]:
        """The decoded answer and the session cookie it set."""
        async with self._session.post(f"{self.url}/api/v1{path}", json=body, headers=headers) as response:
            cookie = response.cookies.get("session_id")
            return await response.json(content_type=None), cookie.value if cookie else ""


@pytest.fixture
async def site(application: Litestar, free_port: int) -> AsyncIterator[Site]:
    server = Server(
        application, "127.0.0.1", free_port, interface=Interfaces.ASGI, log_enabled=False, backpressure=1_000
    )
    serving = asyncio.create_task(server.serve())
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        await _until_it_serves(session, f"http://127.0.0.1:{free_port}/api/v1/health")
        yield Site(free_port, session)
    server.stop()
    await serving


async def _until_it_serves(session: aiohttp.ClientSession, url: str) -> None:
    for _ in range(500):
        try:
            async with session.get(url):
                return
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.02)
    pytest.fail("the server did not start within 10 s")


async def receive(socket: Socket) -> Any:
    return await socket.receive_json(timeout=10)


async def request(socket: Socket, **message: Any) -> Any:
    await socket.send_json(message)
    return await receive(socket)


async def pinged(caller: Subscription, socket: Socket) -> WSMessage:
    """The next message; pings are left out while the peer's kernel has yet to acknowledge what was sent before."""
    async with asyncio.timeout(10):
        while True:
            caller.ping()
            with suppress(TimeoutError):
                return await socket.receive(timeout=0.05)


async def ended(socket: Socket) -> tuple[str, int | None]:
    """(code of the error message, code of the close)."""
    error = await receive(socket)
    close = await socket.receive(timeout=10)  # `socket.close_code` is also 1006 when our close frame arrives too late
    assert close.type == WSMsgType.CLOSE
    return error["error"]["code"], close.data


@asynccontextmanager
async def signed_in(site: Site) -> AsyncIterator[tuple[dict[str, str], str]]:
    """(authorization header, cookie) of a new user's session, which ends with the block."""
    person = {"email": "ada@example.org", "password": "correct horse"}
    await site.post("/auth/register", {**person, **SETUP})
    answer, cookie = await site.post("/auth/login", person)
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    yield bearer, cookie
    await site.post("/auth/logout", **bearer)


@BOTH
async def test_ping_is_answered_with_its_timestamp(site: Site, path: str) -> None:
    socket = await site.connect(path)
    assert await request(socket, type="ping", timestamp=1234567890) == {"type": "pong", "timestamp": 1234567890}


async def test_heartbeats_and_events_arrive_after_subscribing_and_stop_after_unsubscribing(site: Site) -> None:
    socket = await site.connect()
    newest = (await request(socket, type="subscribe", channels=["heartbeats", "events"]))["seq"]
    await live.publish([beat()], [event()])
    got = {one["channel"]: one for one in (await receive(socket), await receive(socket))}
    assert {channel: one["seq"] for channel, one in got.items()} == {name: seq + 1 for name, seq in newest.items()}
    assert await request(socket, type="unsubscribe", channels=["events"]) == {
        "type": "unsubscribed",
        "channels": ["events"],
    }
    await live.publish([beat()], [event()])
    assert (await receive(socket))["type"] == "heartbeats"
    assert (await request(socket, type="ping"))["type"] == "pong"


async def test_a_monitors_channel_carries_only_its_heartbeats(site: Site) -> None:
    socket = await site.connect()
    await request(socket, type="subscribe", channels=[f"monitor:{TWO}"])
    await live.publish(heartbeats=[beat(ONE), beat(TWO)])
    message = await receive(socket)
    assert (message["channel"], len(message["data"])) == (f"monitor:{TWO}", 1)


async def test_each_unknown_channel_is_an_error_and_the_others_are_subscribed(site: Site) -> None:
    socket = await site.connect()
    await socket.send_json({"type": "subscribe", "channels": ["metrics", "events", "logs"]})
    errors = [(await receive(socket))["error"] for _ in range(2)]
    assert [(one["code"], one["details"]["channel"]) for one in errors] == [
        ("VALIDATION_ERROR", "metrics"),
        ("VALIDATION_ERROR", "logs"),
    ]
    assert "heartbeats, monitor:<id>, events" in errors[0]["details"]["fields"][0]["message"]
    assert (await receive(socket))["channels"] == ["events"]
    await live.publish(events=[event()])
    assert (await receive(socket))["channel"] == "events"


async def test_with_no_channel_that_there_is_nothing_is_subscribed(site: Site) -> None:
    socket = await site.connect()
    assert (await request(socket, type="subscribe", channels=["nonsense"]))["type"] == "error"
    assert (await request(socket, type="ping"))["type"] == "pong"


async def test_the_server_pings_so_that_proxies_keep_the_connection(
    site: Site, application: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session_watch.PING_S <= 25
    socket = await site.connect_by_hand()
    assert (await request(socket, type="ping"))["type"] == "pong"
    (caller,) = application.state.watch._all_subscriptions()
    message = await pinged(caller, socket)
    assert (message.type, message.data) == (WSMsgType.PING, b"")
    await socket.pong()
    assert (await request(socket, type="ping"))["type"] == "pong"
    assert caller.connection.inbound._socket.getsockopt(tcp.IPPROTO_TCP, tcp.TCP_USER_TIMEOUT) == 60_000


async def test_pings_stand_between_messages_however_many_there_are(site: Site, application: Litestar) -> None:
    socket = await site.connect_by_hand()
    await request(socket, type="subscribe", channels=["heartbeats"])
    (caller,) = application.state.watch._all_subscriptions()
    kinds = []
    for _ in range(200):
        await live.publish(heartbeats=[beat(ONE) for _ in range(100)])
        for _ in range(3):
            await asyncio.sleep(0)
            caller.ping()
        kinds.append((await socket.receive(timeout=10)).type)
    while kinds.count(WSMsgType.TEXT) < 200:
        kinds.append((await socket.receive(timeout=10)).type)
    kinds.append((await pinged(caller, socket)).type)
    assert set(kinds) == {WSMsgType.TEXT, WSMsgType.PING}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "BAD_REQUEST"),
        ("", "BAD_REQUEST"),
        ("[]", "VALIDATION_ERROR"),
        ('{"type":"shout"}', "VALIDATION_ERROR"),
        ('{"type":"subscribe"}', "VALIDATION_ERROR"),
        ('{"type":"subscribe","channels":[]}', "VALIDATION_ERROR"),
        ('{"type":"subscribe","channels":"events"}', "VALIDATION_ERROR"),
        ('{"type":"subscribe","channels":["events"],"since":-1}', "VALIDATION_ERROR"),
        ('{"type":"ping","loud":true}', "VALIDATION_ERROR"),
        ('{"type":"auth","token":"x"}', "CONFLICT"),
    ],
)
async def test_a_message_that_is_not_understood_is_an_error_and_the_socket_stays(
    site: Site, text: str, code: str
) -> None:
    socket = await site.connect()
    await socket.send_str(text)
    error = await receive(socket)
    assert (error["type"], error["error"]["code"]) == ("error", code)
    assert set(error["error"]) == {"code", "message", "details", "timestamp", "request_id"}
    assert (await request(socket, type="ping"))["type"] == "pong"


async def test_all_wrong_fields_are_named_at_once(site: Site) -> None:
    socket = await site.connect(Authorization=BEARER["Authorization"], X_Request_ID="req-123")
    error = (await request(socket, type="subscribe", channels=[1], since="x", loud=True))["error"]
    assert {one["field"] for one in error["details"]["fields"]} == {"channels.0", "since", "loud"}
    assert error["request_id"] == "req-123"


async def test_since_replays_what_is_still_held(site: Site) -> None:
    first = await site.connect()
    seq = (await request(first, type="subscribe", channels=["events"]))["seq"]["events"]
    await live.publish(events=[event(), event(), event()])
    numbers = [(await receive(first))["seq"] for _ in range(3)]
    second = await site.connect()
    assert (await request(second, type="subscribe", channels=["events"], since=seq + 1))["seq"] == {
        "events": numbers[2]
    }
    assert [(await receive(second))["seq"] for _ in range(2)] == numbers[1:]
    await live.publish(events=[event()])
    assert (await receive(second))["seq"] == numbers[2] + 1


async def test_since_may_differ_by_channel_and_what_is_gone_is_a_gap(site: Site) -> None:
    socket = await site.connect()
    newest = (await request(socket, type="subscribe", channels=["events", "heartbeats"]))["seq"]
    since = {"events": newest["events"], "heartbeats": 3}
    await request(socket, type="subscribe", channels=["events", "heartbeats"], since=since)
    before = newest["heartbeats"] + 1
    assert await receive(socket) == {"type": "gap", "channel": "heartbeats", "after": 3, "before": before}


async def test_a_number_from_the_future_is_a_gap_and_new_messages_arrive(site: Site) -> None:
    socket = await site.connect()
    newest = (await request(socket, type="subscribe", channels=["events"], since=2**52))["seq"]["events"]
    assert await receive(socket) == {"type": "gap", "channel": "events", "after": 2**52, "before": newest + 1}
    await live.publish(events=[event()])
    assert (await receive(socket))["seq"] == newest + 1


async def test_a_slow_reader_gets_a_gap_and_does_not_delay_others(site: Site) -> None:
    slow, fast = await site.connect(), await site.connect()
    for socket in (slow, fast):
        await request(socket, type="subscribe", channels=["heartbeats"])
    batch, total = [beat(msg="x" * 900) for _ in range(100)], 2 * BACKLOG
    for number in range(total):
        await live.publish(heartbeats=batch)
        message = await receive(fast)
        assert (message["type"], len(message["data"])) == ("heartbeats", 100), number
    got = [await receive(slow)]
    while got[-1].get("seq") != message["seq"]:
        got.append(await receive(slow))
    gap = next(place for place, one in enumerate(got) if one["type"] == "gap")
    assert (got[gap]["after"], got[gap]["before"]) == (got[gap - 1]["seq"], got[gap + 1]["seq"])


async def test_a_first_message_signs_in(site: Site) -> None:
    socket = await site.connect(Accept="*/*")
    assert await request(socket, type="auth", token=ADMIN_TOKEN) == {
        "type": "authenticated", "username": "api-admin", "role": "admin",
    }  # fmt: skip
    assert (await request(socket, type="ping"))["type"] == "pong"


@pytest.mark.parametrize(
    "message", ['{"type":"ping"}', '{"type":"subscribe","channels":["events"]}', '{"type":"auth","token":"no"}', "{"]
)
async def test_another_first_message_ends_it(site: Site, message: str) -> None:
    socket = await site.connect(Accept="*/*")
    await socket.send_str(message)
    assert (await ended(socket))[1] == 4401


async def test_a_silent_client_is_disconnected_after_five_seconds(site: Site) -> None:
    assert await ended(await site.connect(Accept="*/*")) == ("UNAUTHORIZED", 4401)


@pytest.mark.parametrize(
    "header", [{"Authorization": "Bearer no"}, {"Authorization": "Odd x"}, {"X_API_Key": "pk_no"}], ids=str
)
async def test_a_bad_credential_ends_it_without_another_try(site: Site, header: dict[str, str]) -> None:
    assert await ended(await site.connect(**header)) == ("UNAUTHORIZED", 4401)


async def test_a_token_in_the_address_is_refused_even_beside_a_good_header(site: Site) -> None:
    assert await ended(await site.connect(f"/ws?token={ADMIN_TOKEN}")) == ("BAD_REQUEST", 4400)


async def test_our_own_page_signs_in_by_cookie(site: Site) -> None:
    async with signed_in(site) as (_, cookie):
        socket = await site.connect(Cookie=f"session_id={cookie}", Origin=site.url)
        assert (await request(socket, type="ping"))["type"] == "pong"


@pytest.mark.parametrize("origin", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {}], ids=str)
async def test_a_cookie_from_another_site_is_refused_before_the_handshake(site: Site, origin: dict[str, str]) -> None:
    async with signed_in(site) as (_, cookie):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await site.connect(Cookie=f"session_id={cookie}", **origin)
    assert refusal.value.status == 403


async def test_the_end_of_the_session_closes_its_sockets_and_no_other(site: Site) -> None:
    async with signed_in(site) as (bearer, cookie):
        sockets = [await site.connect(**bearer), await site.connect(Cookie=f"session_id={cookie}", Origin=site.url)]
        other = await site.connect()
        await site.post("/auth/logout", **bearer)
        assert [await ended(socket) for socket in sockets] == [("UNAUTHORIZED", 4401)] * 2
        assert (await request(other, type="ping"))["type"] == "pong"


async def test_a_message_that_is_too_long_ends_it(site: Site) -> None:
    socket = await site.connect()
    await socket.send_str("x" * (connection.MAX_MESSAGE_BYTES + 1))
    assert await ended(socket) == ("PAYLOAD_TOO_LARGE", 1009)


@asynccontextmanager
async def flooding(socket: Socket) -> AsyncIterator[None]:
    """Ten times as many messages as a connection may send, until it is closed."""

    async def flood() -> None:
        with suppress(ConnectionError):
            while not socket.closed:
                await socket.send_json({"type": "ping"})
                await asyncio.sleep(0.1 / connection.MESSAGES_PER_S)

    task = asyncio.create_task(flood())
    yield
    task.cancel()


async def test_a_flood_is_slowed_and_refused(site: Site) -> None:
    socket = await site.connect()
    async with flooding(socket):
        answers = [await receive(socket)]
        while answers[-1]["type"] == "pong":
            answers.append(await receive(socket))
    assert len(answers) > connection.BURST
    assert (answers[-1]["error"]["code"], answers[-1]["error"]["retry_after"]) == ("RATE_LIMITED", 1)


async def test_a_flood_that_does_not_stop_is_closed(site: Site) -> None:
    socket, n_refused = await site.connect(), 0
    async with flooding(socket):
        while not socket.closed and (message := await socket.receive()).type.name == "TEXT":
            n_refused += message.json()["type"] == "error"
    assert (n_refused, socket.close_code) == (connection.TOLERATED_EXCESS + 1, connection.RATE_LIMITED)


async def test_a_socket_follows_a_hundred_channels_and_no_more(site: Site) -> None:
    socket = await site.connect()
    hundred = [f"monitor:{number:032x}----" for number in range(100)]
    assert len((await request(socket, type="subscribe", channels=hundred))["seq"]) == 100
    assert (await request(socket, type="subscribe", channels=["events"]))["error"]["code"] == "VALIDATION_ERROR"
    await request(socket, type="unsubscribe", channels=hundred[:1])
    assert (await request(socket, type="subscribe", channels=["events"]))["type"] == "subscribed"


async def test_a_closed_connection_is_forgotten(site: Site, application: Litestar) -> None:
    socket = await site.connect()
    await request(socket, type="subscribe", channels=["events"])
    await socket.close()
    async with asyncio.timeout(10):
        while application.state.hub._subscribers or application.state.watch._subscriptions:
            await asyncio.sleep(0.01)
