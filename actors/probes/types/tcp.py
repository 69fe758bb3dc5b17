"""Checks that a TCP port accepts a connection, and what it sends."""

import asyncio
from asyncio import Protocol, StreamReader, StreamWriter
from typing import Any

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.net.tls import peer_certificate_days, target_tls_context
from app.domain.parsing.values import ABSENT, Untyped
from app.domain.validation.assertions import is_costly, is_satisfied
from schema.assertions import Value
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.targets import Tcp

READ_LIMIT_BYTES = 1_000_000
CHUNK_BYTES = 65_536
MAX_EVALUATED_BYTES = 8_000_000  # in total, while more may come; data in single bytes is evaluated at the end
RESPONSE_SHARE = 0.9  # of the timeout: a partial response is worth more than "no answer"
SHOWN_CHARS = 300  # of a response, in a detail


async def probe(target: Tcp, check: RunningCheck) -> ProbeResult:
    """Connect and close; nothing is sent unless the monitor says what."""
    if target.tls or target.send or expects_response(target):
        return await _exchange(target, check)
    transport, _ = await check.context.egress.connect(Protocol, target.host, target.port)
    detail = {"address": transport.get_extra_info("peername")[0]} if check.detailed else None
    transport.close()
    return ProbeResult(code=CONNECTED, detail=detail)


def expects_response(target: Tcp) -> bool:
    """Whether a response is needed: expected text, or a value to compare."""
    return bool(target.expect) or any(isinstance(one, Value) for one in target.assertions)


async def _exchange(target: Tcp, check: RunningCheck) -> ProbeResult:
    tls = target_tls_context(target, check.context) if target.tls else None
    reader, writer = await check.context.egress.open_connection(target.host, target.port, ssl=tls)
    try:
        writer.write(target.send.encode())
        response = await _read_response(target, reader, check.snapshot.timeout_ms / 1000 * RESPONSE_SHARE)
        return _evaluate(target, response, check, writer)
    finally:
        writer.transport.abort()


async def _read_response(target: Tcp, reader: StreamReader, wait_s: float) -> str | None:
    """The response as far as it is needed; None when it is not."""
    if not expects_response(target):
        return None
    received = bytearray()
    try:
        async with asyncio.timeout(wait_s):
            await _read_until_matched(target, reader, received)
    except TimeoutError:
        if not received:
            raise
    if not received:
        raise TargetFailed("the connection was closed without an answer")
    return received.decode("utf-8", errors="replace")


async def _read_until_matched(target: Tcp, reader: StreamReader, received: bytearray) -> None:
    """Read until the expected text is there and the values match, to the end, or to the limit."""
    values = [one for one in target.assertions if isinstance(one, Value)]
    expected, is_found, budget = target.expect.encode(), not target.expect, MAX_EVALUATED_BYTES
    while len(received) < READ_LIMIT_BYTES and (chunk := await reader.read(CHUNK_BYTES)):
        start = max(0, len(received) - len(expected))
        received += chunk
        budget -= len(received)
        is_found = is_found or received.find(expected, start) >= 0
        if is_found and (not values or (budget > 0 and _values_match(values, received))):
            return


def _values_match(values: list[Value], received: bytearray) -> bool:
    """Whether the response so far is enough. Costly patterns are only matched once, at the end."""
    text = Untyped(received.decode("utf-8", errors="replace"))
    if is_costly([(one.operator, one.expected) for one in values], text):
        return False
    return all(is_satisfied(text, one.operator, one.expected, one.compare) for one in values)


def _evaluate(target: Tcp, response: str | None, check: RunningCheck, writer: StreamWriter) -> ProbeResult:
    if response is not None and target.expect not in response:
        raise TargetFailed(f"{target.expect[:80]!r} is not in the answer", detail={"answer": response[:SHOWN_CHARS]})
    days = peer_certificate_days(writer)
    return ProbeResult(
        code=CONNECTED if response is None else ANSWERED,
        detail=_detail(response, days, writer) if check.detailed else None,
        value=ABSENT if response is None else Untyped(response),
        certificate_days=days,
    )


def _detail(response: str | None, days: int | None, writer: StreamWriter) -> dict[str, Any]:
    peer = writer.get_extra_info("peername")
    facts = {"address": peer[0], "answer": response and response[:SHOWN_CHARS], "certificate_days": days}
    return {name: fact for name, fact in facts.items() if fact is not None}
