"""Looks whether a WebSocket opens, and whether it says what it should."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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

from actors.probes.http.errors import classify_http_error
from actors.probes.http.request import REDIRECT_STATUSES
from actors.probes.http.session import ConnectionOptions, HttpSession, open_session
from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from app.domain.monitoring.values import ABSENT, Untyped
from app.domain.parsing.web_url import parse_url
from schema.assertions import Value
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import WebSocket

MAX_MESSAGE_BYTES = 1_048_576  # of one message; longer ones end the connection
MAX_RECEIVED_BYTES = 4_194_304  # of all messages until the right one came
MAX_MESSAGES = 10_000  # pings among them
YIELD_EVERY = (
    100  # messages that are looked at before others have their turn: what has come already is read without waiting
)
SHOWN_CHARS, DETAIL_CHARS = 80, 300  # characters in a sentence, in a detail
GOODBYE = WSCloseCode.OK.to_bytes(2)
DATA_TYPES = {WSMsgType.TEXT, WSMsgType.BINARY}
CONTROL_TYPES = {WSMsgType.PING, WSMsgType.PONG}


async def probe(target: WebSocket, asked: RunningCheck) -> ProbeResult:
    """Open, say what is to be said, wait for what is expected."""
    with translating_errors():
        async with open_session(_connection_options(target), asked) as way:
            return await _exchange(target, asked, way)


@contextmanager
def translating_errors() -> Iterator[None]:
    """What the library raises becomes what it says of the target. Raises Failed, Unsure."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        raise TargetFailed(
            f"no WebSocket: {_handshake_error(error)}", code=error.status if error.status > 101 else 0
        ) from error  # noqa: PLR2004  # Switching Protocols
    except aiohttp.ClientError as error:
        raise classify_http_error(error) from error


def _connection_options(target: WebSocket) -> ConnectionOptions:
    return ConnectionOptions(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        use_proxy=bool(target.proxy_id),
        use_tunnel=target.url[:3].lower() == "ws:",  # RFC 6455, 4.1: a proxy does not pass an upgrade on
        middlewares=(reject_redirect,),
    )


async def reject_redirect(request: ClientRequest, ask: ClientHandlerType) -> ClientResponse:
    """A redirect is the answer: aiohttp would take a monitor's own headers to any host."""
    answer = await ask(request)
    if answer.status in REDIRECT_STATUSES:
        answer.close()
        raise TargetFailed(f"no WebSocket: the server answered {answer.status}", code=answer.status)
    return answer


async def _exchange(target: WebSocket, asked: RunningCheck, way: HttpSession) -> ProbeResult:
    socket = await connect(way, target.url, target.headers, target.subprotocol)
    try:
        if target.send:
            await socket.send_str(target.send)
        said = await _receive_expected(target, socket) if expects_response(target) else None
    finally:
        await close(socket)
    facts: dict[str, Any] = {"subprotocol": socket.protocol, "message": said and said[:DETAIL_CHARS]}
    detail = {name: fact for name, fact in facts.items() if fact is not None}
    return ProbeResult(
        code=CONNECTED if said is None else ANSWERED,
        detail=detail if asked.detailed else None,
        value=ABSENT if said is None else Untyped(said),
    )


async def connect(
    way: HttpSession, url: str, headers: dict[str, str], subprotocol: str, most_bytes: int = MAX_MESSAGE_BYTES
) -> ClientWebSocketResponse:
    """A WebSocket that speaks this subprotocol, whose messages are no longer than that. Raises Failed, Unsure."""
    socket = await _handshake(way, url, headers, subprotocol, most_bytes)
    if subprotocol and socket.protocol != subprotocol:
        await close(socket)
        raise TargetFailed(f"the server did not choose the subprotocol {subprotocol}")
    return socket


async def _handshake(
    way: HttpSession, url: str, headers: dict[str, str], subprotocol: str, most_bytes: int
) -> ClientWebSocketResponse:
    try:
        return await way.client.ws_connect(
            _parse_url(url),
            headers=headers,
            protocols=[subprotocol] if subprotocol else (),
            max_msg_size=most_bytes,
            autoping=False,  # ours, so that pings count
            ssl=way.ssl,
            proxy=way.proxy,
        )
    except aiohttp.ClientError:  # some of them are ValueErrors too
        raise
    except ValueError as error:
        raise CheckInconclusive(f"the request can't be written: {error}") from error
    except AssertionError as error:  # the library's, of a connection that ended with the handshake
        raise TargetFailed("the connection was closed with the handshake") from error


def _parse_url(url: str) -> URL:
    try:
        return parse_url(url)
    except ValueError as error:
        raise CheckInconclusive(f"the address can't be asked: {error}") from error


async def close(socket: ClientWebSocketResponse) -> None:
    """Say that this is the end; the session hangs up. aiohttp's own `close` reads until the other side says so too:
    with pings without end that holds the loop, and does not end.
    """
    if not socket.closed:
        await close_gracefully(socket.send_frame(GOODBYE, WSMsgType.CLOSE), aiohttp.ClientError)


def expects_response(target: WebSocket) -> bool:
    """Whether there is anything to wait for: words, or a value to compare."""
    return bool(target.expect) or any(isinstance(one, Value) for one in target.assertions)


async def _receive_expected(target: WebSocket, socket: ClientWebSocketResponse) -> str:
    """The first message with the expected words in it. Raises Failed when the other side ends first, or babbles."""
    left = MAX_RECEIVED_BYTES
    for number in range(MAX_MESSAGES):
        if number % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
        message = await socket.receive()
        if message.type in CONTROL_TYPES:
            await answer_ping(message, socket)
            continue
        if message.type not in DATA_TYPES:
            raise TargetFailed(
                f"the connection was closed before {_expected_text(target)} came{_close_reason(message, socket)}"
            )
        text = _text(message.data)
        if target.expect in text:
            return text
        left -= len(text)
        if left < 0:
            break
    raise TargetFailed(f"{_expected_text(target)} is not among the first messages")


async def answer_ping(message: aiohttp.WSMessage, socket: ClientWebSocketResponse) -> None:
    """Say to a ping that we are there."""
    if message.type is WSMsgType.PING:
        await socket.pong(message.data)


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode(errors="replace")


def _expected_text(target: WebSocket) -> str:
    return repr(target.expect[:SHOWN_CHARS]) if target.expect else "a message"


def _close_reason(message: aiohttp.WSMessage, socket: ClientWebSocketResponse) -> str:
    """The close code and what was said with it, as far as there is any."""
    if message.type is WSMsgType.ERROR:
        return ": what came is no WebSocket"
    words = f" {str(message.extra)[:SHOWN_CHARS]}" if message.extra else ""
    return f" ({socket.close_code}{words})" if socket.close_code else ""


def _handshake_error(error: aiohttp.WSServerHandshakeError) -> str:
    """What was wrong with the answer to our handshake."""
    if error.status != 101:  # noqa: PLR2004  # Switching Protocols
        return f"the server answered {error.status}"
    return "the handshake's answer does not fit"
