"""Checks that a time server responds, is synchronised, and agrees with this machine."""

import asyncio
from secrets import token_bytes
from time import perf_counter, time
from typing import Any

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.net.udp import MAX_ATTEMPTS, UdpConnection, attempt_timeout_s, open_udp
from actors.probes.protocols.ntp_packet import COOKIE_BYTES, NtpResponse, encode_request, parse_response
from app.domain.parsing.values import exact_number
from schema.assertions import FailureStatus
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Ntp

STRATA = range(1, 16)  # 16 is "not synchronised"


async def probe(target: Ntp, check: RunningCheck) -> ProbeResult:
    """Up to three requests; the first valid response counts."""
    async with open_udp(check, target.host, target.port) as connection:
        for _ in range(MAX_ATTEMPTS):
            if response := await _query_once(connection, attempt_timeout_s(check)):
                return _evaluate(target, response, detailed=check.detailed)
    raise TargetFailed(f"no answer to {MAX_ATTEMPTS} requests", code=NO_ANSWER)


async def _query_once(connection: UdpConnection, wait_s: float) -> NtpResponse | None:
    """One request; other datagrams are ignored."""
    cookie = token_bytes(COOKIE_BYTES)
    sent_s, began = time(), perf_counter()
    connection.send(encode_request(cookie))
    try:
        async with asyncio.timeout(wait_s):
            while True:
                data = await connection.receive()
                if response := parse_response(cookie, data, sent_s, sent_s + perf_counter() - began):
                    return response
    except TimeoutError as error:
        if error.errno:  # a network error
            raise
        return None


def _evaluate(target: Ntp, response: NtpResponse, *, detailed: bool) -> ProbeResult:
    facts = response_facts(response)
    if response.kiss_code:
        raise TargetFailed(f"the server refuses us: {response.kiss_code}", detail=facts)
    if not response.synchronised or response.stratum not in STRATA:
        raise TargetFailed("the server doesn't know the time itself: not synchronised", detail=facts)
    offset_ms = facts["offset_ms"]
    if target.max_offset is not None and abs(offset_ms) > target.max_offset:
        message = f"its clock and ours differ by {abs(offset_ms):.7g} ms, more than {target.max_offset:g} ms"
        if target.failure_status is FailureStatus.DOWN:
            raise TargetFailed(message, detail=facts)
        return ProbeResult(Status.DEGRADED, 0, message, facts, value=exact_number(offset_ms))
    return ProbeResult(code=ANSWERED, detail=facts if detailed else None, value=exact_number(offset_ms))


def response_facts(response: NtpResponse) -> dict[str, Any]:
    """For a result's detail."""
    return {
        "offset_ms": round(response.offset_s * 1000, 3),
        "delay_ms": round(response.delay_s * 1000, 3),
        "dispersion_ms": round(response.dispersion_s * 1000, 3),
        "stratum": response.stratum,
        "reference": response.reference,
    }
