"""Subscribes to an MQTT topic, and looks at the first message."""

from codecs import BOM_UTF8
from collections.abc import Callable, Coroutine
from secrets import token_hex
from typing import Any, TypeAlias

import aiohttp

from actors.probes.kit.closing import say_goodbye
from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.kit.values import at, scalar, shown, untyped
from actors.probes.net.tls import context_by, days_left
from actors.probes.protocols import mqtt
from app.domain.monitoring.values import Scalar
from app.domain.parsing import untrusted_json
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import Mqtt

Message: TypeAlias = tuple[str, bytes]  # topic and payload
Answer: TypeAlias = tuple[int | None, Message | None]  # days until the certificate ends, and what came
Send: TypeAlias = Callable[[bytes], Coroutine[Any, Any, None]]


async def probe(target: Mqtt, asked: Asked) -> Seen:
    """Connect, subscribe, wait for a message where one is wanted."""
    days, found = await (_in_websocket if target.websocket_path else _by_tcp)(target, asked)
    if found is None:
        return Seen(code=CONNECTED, certificate_days=days)
    topic, payload = found
    value = value_in(payload, target.path)
    detail = {"topic": topic, "value": shown(value)} if asked.detailed else None
    return Seen(code=ANSWERED, detail=detail, value=value, certificate_days=days)


async def _by_tcp(target: Mqtt, asked: Asked) -> Answer:
    tls = context_by(target, target.host) if target.tls else None
    reader, writer = await asked.tools.egress.open_connection(target.host, target.port, ssl=tls)

    async def send(packet: bytes) -> None:
        writer.write(packet)

    try:
        return days_left(writer), await _first(target, reader, send)
    finally:
        writer.transport.abort()


async def _in_websocket(target: Mqtt, asked: Asked) -> Answer:
    from actors.probes.protocols.mqtt_websocket import frames  # noqa: PLC0415  # most brokers are asked without

    async with frames(target, asked) as link:
        return days_left(link.socket), await _first(target, link, link.send)


async def _first(target: Mqtt, reader: mqtt.Reader, send: Send) -> Message | None:
    await send(mqtt.connect(f"wk{token_hex(10)}", target.username, target.password))
    await mqtt.accepted(reader)
    await send(mqtt.subscribe(target.topic))
    found = await mqtt.message(reader, wait=target.wait, ignore_retained=target.ignore_retained)
    await say_goodbye(send(mqtt.DISCONNECT), aiohttp.ClientError)
    return found


def value_in(payload: bytes, path: str) -> Scalar:
    """The payload as text, or what its JSON has at the path. Raises Failed for a payload that is no JSON then."""
    if not path:
        return untyped(payload.removeprefix(BOM_UTF8))
    try:
        decoded: Any = untrusted_json.exactly(payload)
    except (ValueError, RecursionError) as error:
        raise Failed("the message is not JSON") from error
    return scalar(at(decoded, path))
