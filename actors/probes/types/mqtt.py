"""Subscribes to an MQTT topic, and evaluates the first message."""

from codecs import BOM_UTF8
from collections.abc import Callable, Coroutine
from secrets import token_hex
from typing import Any, TypeAlias

import aiohttp

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail, to_scalar, to_untyped, value_at
from actors.probes.net.tls import named_tls_context, peer_certificate_days
from actors.probes.protocols import mqtt
from app.domain.parsing import untrusted_json
from app.domain.parsing.values import Scalar
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import Mqtt

Message: TypeAlias = tuple[str, bytes]  # topic and payload
MqttResult: TypeAlias = tuple[int | None, Message | None]  # days until the certificate expires, and the message
Send: TypeAlias = Callable[[bytes], Coroutine[Any, Any, None]]


async def probe(target: Mqtt, check: RunningCheck) -> ProbeResult:
    """Connect, subscribe, wait for a message where one is expected."""
    days, message = await (_check_websocket if target.websocket_path else _check_tcp)(target, check)
    if message is None:
        return ProbeResult(code=CONNECTED, certificate_days=days)
    topic, payload = message
    value = payload_value(payload, target.path)
    detail = {"topic": topic, "value": to_detail(value)} if check.detailed else None
    return ProbeResult(code=ANSWERED, detail=detail, value=value, certificate_days=days)


async def _check_tcp(target: Mqtt, check: RunningCheck) -> MqttResult:
    tls = named_tls_context(target, target.host) if target.tls else None
    reader, writer = await check.context.egress.open_connection(target.host, target.port, ssl=tls)

    async def send(packet: bytes) -> None:
        writer.write(packet)

    try:
        return peer_certificate_days(writer), await _first_message(target, reader, send)
    finally:
        writer.transport.abort()


async def _check_websocket(target: Mqtt, check: RunningCheck) -> MqttResult:
    from actors.probes.protocols.mqtt_websocket import open_stream  # noqa: PLC0415  # most brokers don't need it

    async with open_stream(target, check) as stream:
        return peer_certificate_days(stream.socket), await _first_message(target, stream, stream.send)


async def _first_message(target: Mqtt, reader: mqtt.ByteStream, send: Send) -> Message | None:
    await send(mqtt.encode_connect(f"wk{token_hex(10)}", target.username, target.password))
    await mqtt.await_connack(reader)
    await send(mqtt.encode_subscribe(target.topic))
    message = await mqtt.read_message(reader, wait=target.wait_for_message, ignore_retained=target.ignore_retained)
    await close_gracefully(send(mqtt.DISCONNECT), aiohttp.ClientError)
    return message


def payload_value(payload: bytes, path: str) -> Scalar:
    """The payload as text, or its JSON value at the path. Raises TargetFailed for a payload that is not JSON."""
    if not path:
        return to_untyped(payload.removeprefix(BOM_UTF8))
    try:
        decoded: Any = untrusted_json.decode_exact(payload)
    except (ValueError, RecursionError) as error:
        raise TargetFailed("the message is not JSON") from error
    return to_scalar(value_at(decoded, path))
