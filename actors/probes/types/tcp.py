"""Looks whether a TCP port accepts a connection, and whether it says what it should."""

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
MAX_EVALUATED_BYTES = 8_000_000  # looked at while more may come; whoever sends single bytes is judged at the end
RESPONSE_SHARE = 0.9  # of the timeout: what came until then is worth more than "no answer"
SHOWN_CHARS = 300  # characters of an answer, in a detail


async def probe(target: Tcp, asked: RunningCheck) -> ProbeResult:
    """Connect and hang up; not a byte is sent unless the monitor says which."""
    if target.tls or target.send or expects_response(target):
        return await _exchange(target, asked)
    transport, _ = await asked.context.egress.connect(Protocol, target.host, target.port)
    detail = {"address": transport.get_extra_info("peername")[0]} if asked.detailed else None
    transport.close()
    return ProbeResult(code=CONNECTED, detail=detail)


def expects_response(target: Tcp) -> bool:
    """Whether there is anything to be read for: words, or a value to compare."""
    return bool(target.expect) or any(isinstance(one, Value) for one in target.assertions)


async def _exchange(target: Tcp, asked: RunningCheck) -> ProbeResult:
    context = target_tls_context(target, asked.context) if target.tls else None
    reader, writer = await asked.context.egress.open_connection(target.host, target.port, ssl=context)
    try:
        writer.write(target.send.encode())
        answer = await _read_response(target, reader, asked.snapshot.timeout_ms / 1000 * RESPONSE_SHARE)
        return _evaluate(target, answer, asked, writer)
    finally:
        writer.transport.abort()


async def _read_response(target: Tcp, reader: StreamReader, wait_s: float) -> str | None:
    """What the other side said as far as it matters; None when nobody asks for it."""
    if not expects_response(target):
        return None
    heard = bytearray()
    try:
        async with asyncio.timeout(wait_s):
            await _read_until_matched(target, reader, heard)
    except TimeoutError:
        if not heard:
            raise
    if not heard:
        raise TargetFailed("the connection was closed without an answer")
    return heard.decode("utf-8", errors="replace")


async def _read_until_matched(target: Tcp, reader: StreamReader, heard: bytearray) -> None:
    """Read into `heard` until it has the expected words and its value holds, the end, or as far as the limit."""
    values = [one for one in target.assertions if isinstance(one, Value)]
    wanted, is_there, left = target.expect.encode(), not target.expect, MAX_EVALUATED_BYTES
    while len(heard) < READ_LIMIT_BYTES and (chunk := await reader.read(CHUNK_BYTES)):
        since = max(0, len(heard) - len(wanted))
        heard += chunk
        left -= len(heard)
        is_there = is_there or heard.find(wanted, since) >= 0
        if is_there and (not values or (left > 0 and _values_match(values, heard))):
            return


def _values_match(values: list[Value], heard: bytearray) -> bool:
    """Whether what came so far is enough. A pattern that takes long is held against all of it once, at the end."""
    text = Untyped(heard.decode("utf-8", errors="replace"))
    if is_costly([(one.operator, one.expected) for one in values], text):
        return False
    return all(is_satisfied(text, one.operator, one.expected, one.compare) for one in values)


def _evaluate(target: Tcp, answer: str | None, asked: RunningCheck, writer: StreamWriter) -> ProbeResult:
    if answer is not None and target.expect not in answer:
        raise TargetFailed(f"{target.expect[:80]!r} is not in the answer", detail={"answer": answer[:SHOWN_CHARS]})
    days = peer_certificate_days(writer)
    return ProbeResult(
        code=CONNECTED if answer is None else ANSWERED,
        detail=_detail(answer, days, writer) if asked.detailed else None,
        value=ABSENT if answer is None else Untyped(answer),
        certificate_days=days,
    )


def _detail(answer: str | None, days: int | None, writer: StreamWriter) -> dict[str, Any]:
    peer = writer.get_extra_info("peername")
    facts = {"address": peer[0], "answer": answer and answer[:SHOWN_CHARS], "certificate_days": days}
    return {name: fact for name, fact in facts.items() if fact is not None}
