"""Looks whether a time server answers, knows the time itself, and agrees with this machine."""

import asyncio
from secrets import token_bytes
from time import perf_counter, time
from typing import Any

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.net.udp import TRIES, Line, line_to, share_of
from actors.probes.protocols.ntp_packet import COOKIE_BYTES, Answer, answer_to, question
from app.domain.monitoring.values import exact
from schema.assertions import Consequence
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Ntp

STRATA = range(1, 16)  # 16 is "not synchronised"


async def probe(target: Ntp, asked: Asked) -> Seen:
    """Ask up to three times; the first answer to our own question will do."""
    async with line_to(asked, target.host, target.port) as line:
        for _ in range(TRIES):
            if answer := await _asked_once(line, share_of(asked)):
                return _judged(target, answer, detailed=asked.detailed)
    raise Failed(f"no answer to {TRIES} requests", code=NO_ANSWER)


async def _asked_once(line: Line, wait_s: float) -> Answer | None:
    """One question; whatever is no answer to it is passed over."""
    cookie = token_bytes(COOKIE_BYTES)
    sent_s, began = time(), perf_counter()
    line.send(question(cookie))
    try:
        async with asyncio.timeout(wait_s):
            while True:
                data = await line.receive()
                if answer := answer_to(cookie, data, sent_s, sent_s + perf_counter() - began):
                    return answer
    except TimeoutError as late:
        if late.errno:  # the network's own
            raise
        return None


def _judged(target: Ntp, answer: Answer, *, detailed: bool) -> Seen:
    facts = facts_of(answer)
    if answer.refusal:
        raise Failed(f"the server refuses us: {answer.refusal}", detail=facts)
    if not answer.synchronised or answer.stratum not in STRATA:
        raise Failed("the server doesn't know the time itself: not synchronised", detail=facts)
    offset_ms = facts["offset_ms"]
    if target.max_offset is not None and abs(offset_ms) > target.max_offset:
        words = f"its clock and ours differ by {abs(offset_ms):.7g} ms, more than {target.max_offset:g} ms"
        if target.otherwise is Consequence.DOWN:
            raise Failed(words, detail=facts)
        return Seen(Status.DEGRADED, 0, words, facts, value=exact(offset_ms))
    return Seen(code=ANSWERED, detail=facts if detailed else None, value=exact(offset_ms))


def facts_of(answer: Answer) -> dict[str, Any]:
    """For people and programs."""
    return {
        "offset_ms": round(answer.offset_s * 1000, 3),
        "delay_ms": round(answer.delay_s * 1000, 3),
        "dispersion_ms": round(answer.dispersion_s * 1000, 3),
        "stratum": answer.stratum,
        "reference": answer.reference,
    }
