"""Whatever ends a session closes its WebSockets: a role or password change, disabling the user, ending the session."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse as Socket, WSMsgType
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar

from app import db
from tests.app.api.running_app import ADA, ADMIN_TOKEN, Headers, bearer

ADMIN_HEADERS = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BOB = {"email": "bob@example.org", "username": "bob", "role": "operator", "password": "seven green boats"}
NEW = {"old_password": BOB["password"], "new_password": "eleven red boats"}


class Site:
    """The application behind its real server."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def ask(self, method: str, path: str, headers: Headers, body: Any = None) -> Any:
        """The decoded answer of a request that succeeds."""
        async with self._session.request(method, f"{self.url}{path}", json=body, headers=headers) as response:
            assert response.status < 300, await response.text()
            return await response.json(content_type=None)

    async def sign_in(self, **login: str) -> dict[str, Any]:
        """What login answers."""
        tokens: dict[str, Any] = await self.ask("POST", "/auth/login", {}, login)
        return tokens

    async def listen(self, login: dict[str, Any]) -> Socket:
        """A socket of a session that has answered."""
        socket = await self._session.ws_connect(f"{self.url}/ws", headers=bearer(login))
        await socket.send_json({"type": "ping"})
        assert (await socket.receive_json(timeout=10))["type"] == "pong"
        return socket


@pytest.fixture
async def site(application: Litestar, free_port: int) -> AsyncIterator[Site]:
    server = Server(application, "127.0.0.1", free_port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        one = Site(f"http://127.0.0.1:{free_port}/api/v1", session)
        await _until_it_serves(session, f"{one.url}/health")
        await one.ask("POST", "/users", ADMIN_HEADERS, {**BOB, **ADA, "username": "ada", "role": "admin"})
        await one.ask("POST", "/users", ADMIN_HEADERS, BOB)
        yield one
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


async def closed_with(socket: Socket) -> int:
    """The code a socket is closed with, after the error message."""
    assert (await socket.receive_json(timeout=10))["error"]["code"] == "UNAUTHORIZED"
    close = await socket.receive(timeout=10)
    assert close.type == WSMsgType.CLOSE
    return int(close.data)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/users/{user}", {"role": "viewer"}),
        ("PATCH", "/users/{user}", {"active": False}),
        ("POST", "/users/{user}/reset-password", {}),
        ("DELETE", "/users/{user}", None),
        ("DELETE", "/sessions/{session}", None),
        ("DELETE", "/sessions?user_id={user}", None),
    ],
)
async def test_admin_changes_to_a_user_or_session_close_only_its_sockets(
    site: Site, method: str, path: str, body: Any
) -> None:
    ada, bob = await site.sign_in(**ADA), await site.sign_in(username="bob", password=BOB["password"])
    others, his = await site.listen(ada), await site.listen(bob)
    (session,) = (await site.ask("GET", "/sessions", bearer(bob)))["sessions"]
    there = path.format(user=bob["user"]["id"], session=session["id"])
    await site.ask(method, there, ADMIN_HEADERS, body)
    assert await closed_with(his) == 4401
    await others.send_json({"type": "ping"})
    assert (await others.receive_json(timeout=10))["type"] == "pong"


async def test_a_changed_password_closes_the_sockets_of_other_sessions_only(site: Site) -> None:
    mine, other = [await site.sign_in(username="bob", password=BOB["password"]) for _ in range(2)]
    open_socket, closed_socket = await site.listen(mine), await site.listen(other)
    await site.ask("PUT", "/auth/password", bearer(mine), NEW)
    assert await closed_with(closed_socket) == 4401
    await open_socket.send_json({"type": "ping"})
    assert (await open_socket.receive_json(timeout=10))["type"] == "pong"


async def test_a_refresh_token_that_is_reused_after_the_grace_closes_the_sockets_of_its_session(site: Site) -> None:
    login = await site.sign_in(username="bob", password=BOB["password"])
    socket, proof = await site.listen(login), {"refresh_token": login["refresh_token"]}
    await site.ask("POST", "/auth/refresh", {}, proof)
    await db.rows("UPDATE sessions SET refreshed_ms = refreshed_ms - 30001")
    with pytest.raises(AssertionError, match="used before"):
        await site.ask("POST", "/auth/refresh", {}, proof)
    assert await closed_with(socket) == 4401
