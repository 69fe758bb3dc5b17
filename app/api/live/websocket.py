"""The WebSocket route, `/api/v1/ws` and `/ws`: connection limits, sign-in, and the hub that all sockets share."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from litestar import Litestar, websocket
from litestar.exceptions import WebSocketDisconnect

from app import db, queue, tasks
from app.api.live import visibility
from app.api.live.connection import (
    BAD_REQUEST,
    CROSS_SITE,
    RATE_LIMITED,
    TRY_AGAIN_LATER,
    UNAUTHENTICATED,
    CloseConnection,
    LiveConnection,
    Socket,
)
from app.api.live.connection_limits import TooManyConnections
from app.api.live.inbound_limits import InboundLimits
from app.api.live.session_watch import SessionWatch
from app.api.live.subscription import Subscription
from app.errors import Malformed, Refusal, Unauthorized, Unavailable
from app.live.hub import Hub
from app.security.auth import cookies, principals
from app.security.auth.policy import ANYONE
from app.security.limits.client_ip import address_of, counted_address
from schema.users import Principal
from schema.ws_messages import Auth, Authenticated

SIGN_IN_TIMEOUT_S = 5  # from the connection to the `auth` message

SIGN_IN_HINT = (
    "Sign in with the cookie, with an Authorization header, or with a first message of type auth and a token."
)
NO_TOKEN_IN_URL = "The URL takes no parameters, because a token in it would end up in logs. " + SIGN_IN_HINT

SYNC_TIMEOUT_S = 2.0  # how long the API's start waits for the live channels' numbers; without Redis they come later


@asynccontextmanager
async def live_lifespan(app: Litestar) -> AsyncIterator[None]:
    """Part of the application's lifespan, after `queue.start`: one hub and one session watch per process."""
    app.state.hub, app.state.watch, app.state.inbound_limits = Hub(queue.client()), SessionWatch(), InboundLimits()
    app.state.hub.start()
    await app.state.hub.wait_synced(SYNC_TIMEOUT_S)
    watching = tasks.start_permanent(app.state.watch.run(), "live.watch")
    pinging = tasks.start_permanent(app.state.watch.keep_alive(), "live.pings")
    measuring = tasks.start_permanent(app.state.inbound_limits.run(), "live.inflows")
    yield
    await app.state.watch.close()
    await tasks.cancel(watching, pinging, measuring)
    await app.state.hub.stop()


@websocket(["/ws", "/api/v1/ws"], guards=[ANYONE])  # a first message may sign in; each channel checks its role
async def live_websocket(socket: Socket) -> None:
    """Serve one client until it disconnects or is closed."""
    if _is_cross_site(socket):
        await socket.close(CROSS_SITE, "Only our own pages may sign in with the cookie.")
        return
    try:
        with socket.app.state.crowd.count_address(counted_address(address_of(socket))):
            await _serve(socket)
    except TooManyConnections as refusal:  # before it is accepted: the handshake is answered with 403
        await socket.close(RATE_LIMITED, refusal.code)


async def _serve(socket: Socket) -> None:
    connection = LiveConnection(socket)
    await socket.app.state.inbound_limits.add(connection.inbound)
    try:
        await socket.accept()
        await _run_subscription(connection, await _authenticate(connection))
    except CloseConnection as closing:
        await connection.close(closing)
    except WebSocketDisconnect:
        return
    finally:
        socket.app.state.inbound_limits.remove(connection.inbound)


async def _run_subscription(connection: LiveConnection, principal: Principal) -> None:
    state = connection.socket.app.state
    subscription = Subscription(connection, principal, state.hub, await visibility.filter_for(principal.tags))
    with _counted_for_user(connection, principal):
        state.watch.add(subscription)
        try:
            await subscription.run()
        finally:
            state.watch.remove(subscription)


@contextmanager
def _counted_for_user(connection: LiveConnection, principal: Principal) -> Iterator[None]:
    """Count a socket of this user. Raises CloseConnection."""
    try:
        with connection.socket.app.state.crowd.count_user(principal):
            yield
    except TooManyConnections as refusal:
        raise CloseConnection(RATE_LIMITED, refusal) from refusal


def _is_cross_site(socket: Socket) -> bool:
    """Whether a browser sent our cookie for a foreign page. A header is sent on purpose, so it is accepted."""
    by_header = "Authorization" in socket.headers or "X-API-Key" in socket.headers
    has_cookie = cookies.cookie_value(socket, principals.SESSION_COOKIE) is not None
    return has_cookie and not by_header and not principals.is_same_origin(socket)


async def _authenticate(connection: LiveConnection) -> Principal:
    """The caller. Raises CloseConnection without a valid credential."""
    if connection.socket.scope["query_string"]:
        raise CloseConnection(BAD_REQUEST, Malformed(NO_TOKEN_IN_URL))
    try:
        return await principals.resolve_principal(connection.socket) or await _authenticate_by_message(connection)
    except db.TRANSIENT_ERRORS as error:
        raise CloseConnection(
            TRY_AGAIN_LATER, Unavailable("The database is not responding.", retry_after_s=5)
        ) from error
    except TooManyConnections as refusal:
        raise CloseConnection(RATE_LIMITED, refusal) from refusal
    except Refusal as refusal:
        raise CloseConnection(UNAUTHENTICATED, refusal) from refusal


async def _authenticate_by_message(connection: LiveConnection) -> Principal:
    """The caller, by the token in the first message."""
    address = counted_address(address_of(connection.socket))
    try:
        with connection.socket.app.state.crowd.count_unauthenticated(address):
            async with asyncio.timeout(SIGN_IN_TIMEOUT_S):
                message = await connection.receive()
    except TimeoutError as error:
        raise Unauthorized(f"You did not sign in within {SIGN_IN_TIMEOUT_S} s. {SIGN_IN_HINT}") from error
    if not isinstance(message, Auth):
        raise Unauthorized(f"You are not signed in. {SIGN_IN_HINT}")
    principal = await principals.principal_of_token(connection.socket, message.token)
    await connection.send(Authenticated(username=principal.username, role=principal.role))
    return principal
