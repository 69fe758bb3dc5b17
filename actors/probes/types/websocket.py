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

from actors.probes.http.errors import of_web
from actors.probes.http.request import REDIRECTS
from actors.probes.http.session import Way, Wishes, opened
from actors.probes.kit.closing import say_goodbye
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen, Unsure
from app.domain.monitoring.values import ABSENT, Untyped
from app.domain.parsing.web_url import web_url
from schema.assertions import Value
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import WebSocket

MESSAGE_BYTES = 1_048_576  # of one message; longer ones end the connection
HEARD_BYTES = 4_194_304  # of all messages until the right one came
MESSAGES = 10_000  # pings among them
AT_ONCE = (
    100  # messages that are looked at before others have their turn: what has come already is read without waiting
)
SHOWN, KEPT = 80, 300  # characters in a sentence, in a detail
GOODBYE = WSCloseCode.OK.to_bytes(2)
SAYING = {WSMsgType.TEXT, WSMsgType.BINARY}
BESIDE = {WSMsgType.PING, WSMsgType.PONG}


async def probe(target: WebSocket, asked: Asked) -> Seen:
    """Open, say what is to be said, wait for what is expected."""
    with telling():
        async with opened(_wishes_of(target), asked) as way:
            return await _talk(target, asked, way)


@contextmanager
def telling() -> Iterator[None]:
    """What the library raises becomes what it says of the target. Raises Failed, Unsure."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        raise Failed(f"no WebSocket: {_shook(error)}", code=error.status if error.status > 101 else 0) from error  # noqa: PLR2004  # Switching Protocols
    except aiohttp.ClientError as error:
        raise of_web(error) from error


def _wishes_of(target: WebSocket) -> Wishes:
    return Wishes(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        proxied=bool(target.proxy_id),
        tunnelled=target.url[:3].lower() == "ws:",  # RFC 6455, 4.1: a proxy does not pass an upgrade on
        between=(no_redirect,),
    )


async def no_redirect(request: ClientRequest, ask: ClientHandlerType) -> ClientResponse:
    """A redirect is the answer: aiohttp would take a monitor's own headers to any host."""
    answer = await ask(request)
    if answer.status in REDIRECTS:
        answer.close()
        raise Failed(f"no WebSocket: the server answered {answer.status}", code=answer.status)
    return answer


async def _talk(target: WebSocket, asked: Asked, way: Way) -> Seen:
    socket = await connected(way, target.url, target.headers, target.subprotocol)
    try:
        if target.send:
            await socket.send_str(target.send)
        said = await _heard(target, socket) if wants_an_answer(target) else None
    finally:
        await leave(socket)
    facts: dict[str, Any] = {"subprotocol": socket.protocol, "message": said and said[:KEPT]}
    detail = {name: fact for name, fact in facts.items() if fact is not None}
    return Seen(
        code=CONNECTED if said is None else ANSWERED,
        detail=detail if asked.detailed else None,
        value=ABSENT if said is None else Untyped(said),
    )


async def connected(
    way: Way, url: str, headers: dict[str, str], subprotocol: str, most_bytes: int = MESSAGE_BYTES
) -> ClientWebSocketResponse:
    """A WebSocket that speaks this subprotocol, whose messages are no longer than that. Raises Failed, Unsure."""
    socket = await _shaken(way, url, headers, subprotocol, most_bytes)
    if subprotocol and socket.protocol != subprotocol:
        await leave(socket)
        raise Failed(f"the server did not choose the subprotocol {subprotocol}")
    return socket


async def _shaken(
    way: Way, url: str, headers: dict[str, str], subprotocol: str, most_bytes: int
) -> ClientWebSocketResponse:
    try:
        return await way.session.ws_connect(
            _address(url),
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
        raise Unsure(f"the request can't be written: {error}") from error
    except AssertionError as error:  # the library's, of a connection that ended with the handshake
        raise Failed("the connection was closed with the handshake") from error


def _address(url: str) -> URL:
    try:
        return web_url(url)
    except ValueError as error:
        raise Unsure(f"the address can't be asked: {error}") from error


async def leave(socket: ClientWebSocketResponse) -> None:
    """Say that this is the end; the session hangs up. aiohttp's own `close` reads until the other side says so too:
    with pings without end that holds the loop, and does not end.
    """
    if not socket.closed:
        await say_goodbye(socket.send_frame(GOODBYE, WSMsgType.CLOSE), aiohttp.ClientError)


def wants_an_answer(target: WebSocket) -> bool:
    """Whether there is anything to wait for: words, or a value to compare."""
    return bool(target.expect) or any(isinstance(one, Value) for one in target.assertions)


async def _heard(target: WebSocket, socket: ClientWebSocketResponse) -> str:
    """The first message with the expected words in it. Raises Failed when the other side ends first, or babbles."""
    left = HEARD_BYTES
    for number in range(MESSAGES):
        if number % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        message = await socket.receive()
        if message.type in BESIDE:
            await keep_open(message, socket)
            continue
        if message.type not in SAYING:
            raise Failed(f"the connection was closed before {_wanted(target)} came{_reason(message, socket)}")
        text = _text(message.data)
        if target.expect in text:
            return text
        left -= len(text)
        if left < 0:
            break
    raise Failed(f"{_wanted(target)} is not among the first messages")


async def keep_open(message: aiohttp.WSMessage, socket: ClientWebSocketResponse) -> None:
    """Say to a ping that we are there."""
    if message.type is WSMsgType.PING:
        await socket.pong(message.data)


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode(errors="replace")


def _wanted(target: WebSocket) -> str:
    return repr(target.expect[:SHOWN]) if target.expect else "a message"


def _reason(message: aiohttp.WSMessage, socket: ClientWebSocketResponse) -> str:
    """The close code and what was said with it, as far as there is any."""
    if message.type is WSMsgType.ERROR:
        return ": what came is no WebSocket"
    words = f" {str(message.extra)[:SHOWN]}" if message.extra else ""
    return f" ({socket.close_code}{words})" if socket.close_code else ""


def _shook(error: aiohttp.WSServerHandshakeError) -> str:
    """What was wrong with the answer to our handshake."""
    if error.status != 101:  # noqa: PLR2004  # Switching Protocols
        return f"the server answered {error.status}"
    return "the handshake's answer does not fit"
