"""Subscribes to an MQTT topic, and looks at the first message."""

import asyncio
import ssl
from codecs import BOM_UTF8
from secrets import token_hex
from typing import Any

from actors.probes import mqttwire
from actors.probes.scalar import at, scalar, shown, untyped
from actors.probes.seen import Failed, Seen
from actors.probes.tls import context_by, days_left
from actors.probes.tools import Asked
from app.domain import foreign_json
from app.domain.values import Scalar
from schema.messages import ANSWERED, CONNECTED
from schema.targets import Mqtt


async def probe(target: Mqtt, asked: Asked) -> Seen:
    """Connect, subscribe, wait for a message where one is wanted."""
    reader, writer = await asked.tools.egress.open_connection(target.host, target.port, ssl=_encryption(target))
    try:
        days, found = days_left(writer), await _first(target, reader, writer)
    finally:
        writer.transport.abort()
    if found is None:
        return Seen(code=CONNECTED, certificate_days=days)
    topic, payload = found
    value = value_in(payload, target.path)
    detail = {"topic": topic, "value": shown(value)} if asked.detailed else None
    return Seen(code=ANSWERED, detail=detail, value=value, certificate_days=days)


async def _first(target: Mqtt, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, bytes] | None:
    writer.write(mqttwire.connect(f"wk{token_hex(10)}", target.username, target.password))
    await mqttwire.accepted(reader)
    writer.write(mqttwire.subscribe(target.topic))
    found = await mqttwire.message(reader, wait=target.wait)
    writer.write(mqttwire.DISCONNECT)
    return found


def value_in(payload: bytes, path: str) -> Scalar:
    """The payload as text, or what its JSON has at the path. Raises Failed for a payload that is no JSON then."""
    if not path:
        return untyped(payload.removeprefix(BOM_UTF8))
    try:
        decoded: Any = foreign_json.exactly(payload)
    except (ValueError, RecursionError) as error:
        raise Failed("the message is not JSON") from error
    return scalar(at(decoded, path))


def _encryption(target: Mqtt) -> ssl.SSLContext | None:
    if not target.tls:
        return None
    return context_by(target, target.host)
