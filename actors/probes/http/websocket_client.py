"""Opens a WebSocket for a check: no redirects, no automatic pings, closed without waiting for the other side."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import (
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientWebSocketResponse,
    WSCloseCode,
    WSMsgType,
)
from yarl import URL

from actors.probes.http.request import REDIRECT_STATUSES
from actors.probes.http.session import HttpSession
from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.errors import classify_http_error
from actors.probes.kit.result import CheckInconclusive, TargetFailed
from app.domain.parsing.web_url import parse_url

SWITCHING_PROTOCOLS = 101
MAX_MESSAGE_BYTES = 1_048_576  # longer messages end the connection
GOODBYE = WSCloseCode.OK.to_bytes(2)


@contextmanager
def translating_errors() -> Iterator[None]:
    """Turn aiohttp's errors into TargetFailed or CheckInconclusive."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        code = error.status if error.status > SWITCHING_PROTOCOLS else 0
        raise TargetFailed(f"no WebSocket: {_handshake_error(error)}", code=code) from error
    except aiohttp.ClientError as error:
        raise classify_http_error(error) from error


async def reject_redirect(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Reject redirects: aiohttp would send the monitor's headers to any host."""
    response = await send(request)
    if response.status in REDIRECT_STATUSES:
        response.close()
        raise TargetFailed(f"no WebSocket: the server answered {response.status}", code=response.status)
    return response


async def connect(
    session: HttpSession, url: str, headers: dict[str, str], subprotocol: str, max_bytes: int = MAX_MESSAGE_BYTES
) -> ClientWebSocketResponse:
    """A WebSocket with this subprotocol and a limit on its messages. Raises TargetFailed, CheckInconclusive."""
    socket = await _handshake(session, url, headers, subprotocol, max_bytes)
    if subprotocol and socket.protocol != subprotocol:
        await close(socket)
        raise TargetFailed(f"the server did not choose the subprotocol {subprotocol}")
    return socket


async def _handshake(
    session: HttpSession, url: str, headers: dict[str, str], subprotocol: str, max_bytes: int
) -> ClientWebSocketResponse:
    try:
        return await session.client.ws_connect(
            _parse_url(url),
            headers=headers,
            protocols=[subprotocol] if subprotocol else (),
            max_msg_size=max_bytes,
            autoping=False,  # we answer, so that pings count
            ssl=session.ssl,
            proxy=session.proxy,
        )
    except aiohttp.ClientError:  # some are ValueErrors too
        raise
    except ValueError as error:
        raise CheckInconclusive(f"the request can't be written: {error}") from error
    except AssertionError as error:  # aiohttp's, when the connection ends with the handshake
        raise TargetFailed("the connection was closed with the handshake") from error


def _parse_url(url: str) -> URL:
    try:
        return parse_url(url)
    except ValueError as error:
        raise CheckInconclusive(f"the address can't be asked: {error}") from error


async def close(socket: ClientWebSocketResponse) -> None:
    """Send a close frame; closing the session ends the connection.

    aiohttp's own `close` reads until the other side closes too: endless pings would block the loop for ever.
    """
    if not socket.closed:
        await close_gracefully(socket.send_frame(GOODBYE, WSMsgType.CLOSE), aiohttp.ClientError)


async def answer_ping(message: aiohttp.WSMessage, socket: ClientWebSocketResponse) -> None:
    """Send a pong for a ping."""
    if message.type is WSMsgType.PING:
        await socket.pong(message.data)


def _handshake_error(error: aiohttp.WSServerHandshakeError) -> str:
    """What was wrong with the handshake's response."""
    if error.status != SWITCHING_PROTOCOLS:
        return f"the server answered {error.status}"
    return "the handshake's answer does not fit"
