"""Checks that a WebSocket opens, and what it sends."""

import asyncio
from typing import Any

import aiohttp
from aiohttp import (
    ClientWebSocketResponse,
    WSMsgType,
)

from actors.probes.http import websocket_client
from actors.probes.http.session import ConnectionOptions, HttpSession, open_session
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from app.domain.parsing.values import ABSENT, Untyped
from schema.assertions import Value
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import WebSocket

MAX_RECEIVED_BYTES = 4_194_304  # of all messages until the expected one
MAX_MESSAGES = 10_000  # including pings
YIELD_EVERY = 100  # messages before other tasks get a turn: data that is already here is read without waiting
SHOWN_CHARS, DETAIL_CHARS = 80, 300  # in a message, in a detail
DATA_TYPES = {WSMsgType.TEXT, WSMsgType.BINARY}
CONTROL_TYPES = {WSMsgType.PING, WSMsgType.PONG}


async def probe(target: WebSocket, check: RunningCheck) -> ProbeResult:
    """Open, send the configured text, wait for the expected message."""
    with websocket_client.translating_errors():
        async with open_session(_connection_options(target), check) as session:
            return await _exchange(target, check, session)


def _connection_options(target: WebSocket) -> ConnectionOptions:
    return ConnectionOptions(
        ignore_tls_errors=target.ignore_tls_errors,
        tls_cert=target.tls_cert,
        tls_key=target.tls_key,
        tls_ca=target.tls_ca,
        use_proxy=bool(target.proxy_id),
        use_tunnel=target.url[:3].lower() == "ws:",  # RFC 6455, 4.1: a proxy does not forward an upgrade
        middlewares=(websocket_client.reject_redirect,),
    )


async def _exchange(target: WebSocket, check: RunningCheck, session: HttpSession) -> ProbeResult:
    socket = await websocket_client.connect(session, target.url, target.headers, target.subprotocol)
    try:
        if target.send:
            await socket.send_str(target.send)
        received = await _receive_expected(target, socket) if expects_response(target) else None
    finally:
        await websocket_client.close(socket)
    facts: dict[str, Any] = {"subprotocol": socket.protocol, "message": received and received[:DETAIL_CHARS]}
    detail = {name: fact for name, fact in facts.items() if fact is not None}
    return ProbeResult(
        code=CONNECTED if received is None else ANSWERED,
        detail=detail if check.detailed else None,
        value=ABSENT if received is None else Untyped(received),
    )


def expects_response(target: WebSocket) -> bool:
    """Whether to wait for a message: expected text, or a value to compare."""
    return bool(target.expect) or any(isinstance(one, Value) for one in target.assertions)


async def _receive_expected(target: WebSocket, socket: ClientWebSocketResponse) -> str:
    """The first message with the expected text. Raises TargetFailed when the server closes first, or sends too much."""
    bytes_left = MAX_RECEIVED_BYTES
    for number in range(MAX_MESSAGES):
        if number % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
        message = await socket.receive()
        if message.type in CONTROL_TYPES:
            await websocket_client.answer_ping(message, socket)
            continue
        if message.type not in DATA_TYPES:
            raise TargetFailed(
                f"the connection was closed before {_expected_text(target)} came{_close_reason(message, socket)}"
            )
        text = message.data if isinstance(message.data, str) else message.data.decode(errors="replace")
        if target.expect in text:
            return text
        bytes_left -= len(text)
        if bytes_left < 0:
            break
    raise TargetFailed(f"{_expected_text(target)} is not among the first messages")


def _expected_text(target: WebSocket) -> str:
    return repr(target.expect[:SHOWN_CHARS]) if target.expect else "a message"


def _close_reason(message: aiohttp.WSMessage, socket: ClientWebSocketResponse) -> str:
    """The close code and reason, as far as there are any."""
    if message.type is WSMsgType.ERROR:
        return ": what came is no WebSocket"
    text = f" {str(message.extra)[:SHOWN_CHARS]}" if message.extra else ""
    return f" ({socket.close_code}{text})" if socket.close_code else ""
