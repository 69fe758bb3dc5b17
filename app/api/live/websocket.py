"""The WebSocket, `/api/v1/ws` and `/ws`: who may connect, how they sign in, and the hub that all sockets share."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from litestar import Litestar, websocket
from litestar.exceptions import WebSocketDisconnect

from app import db, queue, tasks
from app.api.live import visibility
from app.api.live.connection import CROSS_SITE, FLOODED, SIGNED_OUT, TRY_LATER, UNREADABLE, HangUp, Line, Socket
from app.api.live.connection_limits import Crowded
from app.api.live.inbound_limits import Inflows
from app.api.live.session_watch import Watch
from app.api.live.subscription import Caller
from app.errors import Malformed, Refusal, Unauthorized, Unavailable
from app.live.hub import Hub
from app.security.auth import cookies, principals
from app.security.auth.policy import ANYONE
from app.security.limits.client_ip import address_of, place_of
from schema.users import Principal
from schema.ws_messages import Auth, Authenticated

SIGN_IN_S = 5  # from the connection to the `auth` message

HOW = "Sign in by cookie, by an Authorization header, or with a first message of type auth and a token."
NO_TOKEN_IN_URL = "The address takes no parameters: a token in it ends up in logs. " + HOW

SETTLE_S = 2.0  # how long the API's start waits for the live channels' numbers; a Redis that is away comes later


@asynccontextmanager
async def hub(app: Litestar) -> AsyncIterator[None]:
    """Part of the application's lifespan, after `queue.start`: one hub and one watch per process."""
    app.state.hub, app.state.watch, app.state.inflows = Hub(queue.client()), Watch(), Inflows()
    app.state.hub.start()
    await app.state.hub.settled(SETTLE_S)
    watching = tasks.lasting(app.state.watch.run(), "live.watch")
    pinging = tasks.lasting(app.state.watch.keep_alive(), "live.pings")
    measuring = tasks.lasting(app.state.inflows.run(), "live.inflows")
    yield
    await app.state.watch.close()
    await tasks.end(watching, pinging, measuring)
    await app.state.hub.stop()


@websocket(["/ws", "/api/v1/ws"], guards=[ANYONE])  # a first message may sign in; then each channel has its least role
async def live(socket: Socket) -> None:
    """Talk to one client until it leaves, or has to."""
    if _is_cross_site(socket):
        await socket.close(CROSS_SITE, "Cookies are taken from our own pages only.")
        return
    try:
        with socket.app.state.crowd.from_address(place_of(address_of(socket))):
            await _talk(socket)
    except Crowded as crowded:  # before it is accepted: the handshake is answered with 403
        await socket.close(FLOODED, crowded.code)


async def _talk(socket: Socket) -> None:
    line = Line(socket)
    await socket.app.state.inflows.add(line.inflow)
    try:
        await socket.accept()
        await _stay(line, await _signed_in(line))
    except HangUp as end:
        await line.hang_up(end)
    except WebSocketDisconnect:
        return
    finally:
        socket.app.state.inflows.remove(line.inflow)


async def _stay(line: Line, principal: Principal) -> None:
    state = line.socket.app.state
    caller = Caller(line, principal, state.hub, await visibility.of(principal.tags))
    with _among(line, principal):
        state.watch.add(caller)
        try:
            await caller.stay()
        finally:
            state.watch.remove(caller)


@contextmanager
def _among(line: Line, principal: Principal) -> Iterator[None]:
    """One more socket of somebody. Raises HangUp."""
    try:
        with line.socket.app.state.crowd.of(principal):
            yield
    except Crowded as crowded:
        raise HangUp(FLOODED, crowded) from crowded


def _is_cross_site(socket: Socket) -> bool:
    """Whether a browser sent our cookie for somebody else's page. Who sends a header or a token means it."""
    by_header = "Authorization" in socket.headers or "X-API-Key" in socket.headers
    has_cookie = cookies.value_of(socket, principals.COOKIE) is not None
    return has_cookie and not by_header and not principals.is_same_origin(socket)


async def _signed_in(line: Line) -> Principal:
    """Who is calling; raises HangUp for nobody."""
    if line.socket.scope["query_string"]:
        raise HangUp(UNREADABLE, Malformed(NO_TOKEN_IN_URL))
    try:
        return await principals.resolve(line.socket) or await _introduced(line)
    except db.TROUBLE as error:
        raise HangUp(TRY_LATER, Unavailable("The database does not answer.", retry_after_s=5)) from error
    except Crowded as crowded:
        raise HangUp(FLOODED, crowded) from crowded
    except Refusal as refusal:
        raise HangUp(SIGNED_OUT, refusal) from refusal


async def _introduced(line: Line) -> Principal:
    """Who the first message says it is."""
    place = place_of(address_of(line.socket))
    try:
        with line.socket.app.state.crowd.stranger(place):
            async with asyncio.timeout(SIGN_IN_S):
                message = await line.read()
    except TimeoutError as error:
        raise Unauthorized(f"Nobody signed in within {SIGN_IN_S} s. {HOW}") from error
    if not isinstance(message, Auth):
        raise Unauthorized(f"Nobody is signed in. {HOW}")
    principal = await principals.of_token(line.socket, message.token)
    await line.say(Authenticated(username=principal.username, role=principal.role))
    return principal
