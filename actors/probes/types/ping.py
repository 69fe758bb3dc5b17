"""Checks that a host answers ICMP echo, how often, and how evenly."""

import asyncio
from typing import Any

from icmplib import (
    AsyncSocket,
    DestinationUnreachable,
    ICMPLibError,
    ICMPReply,
    ICMPRequest,
    ICMPv4Socket,
    ICMPv6Socket,
    SocketPermissionError,
    TimeoutExceeded,
)
from icmplib.utils import unique_identifier

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.net.ping_statistics import PingStatistics
from app.domain.parsing.values import exact_number
from schema.assertions import FailureStatus
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Ping

MAX_ATTEMPTS = 3  # echo requests, spread over the timeout: one lost packet is not a failed host
TIMEOUT_SHARE = 0.9  # of the timeout: the result comes before the deadline
PAUSE_S = 0.1  # between two requests of a series: many devices limit their replies
NOT_PERMITTED = (
    "this worker may not send ICMP: let the kernel's net.ipv4.ping_group_range include its group, "
    "or give it the capability CAP_NET_RAW"
)


async def probe(target: Ping, check: RunningCheck) -> ProbeResult:
    """Send echo requests one after the other; without a count the first reply is enough."""
    address = (await check.context.egress.addresses(target.host))[0]
    try:
        with AsyncSocket(_socket_for(address)) as sock:
            statistics = await _send_echoes(sock, address, target, check)
    except ICMPLibError as error:
        raise _classify_error(error) from error
    return _evaluate(target, statistics, {"address": address, **statistics.facts()}, detailed=check.detailed)


async def _send_echoes(sock: AsyncSocket, address: str, target: Ping, check: RunningCheck) -> PingStatistics:
    """The outcome of each request. The first reply ends it when no count is set."""
    attempts = MAX_ATTEMPTS if target.count == 1 else target.count
    share_s = check.snapshot.timeout_ms / 1000 * TIMEOUT_SHARE / attempts
    pause_s = min(PAUSE_S, share_s / 4)
    name, rtts_ms = unique_identifier(), list[float | None]()
    for sequence in range(attempts):
        request = ICMPRequest(address, name, sequence, payload_size=target.packet_size)
        sock.send(request)
        reply = await _await_reply(request, sock, share_s - pause_s)
        rtts_ms.append(round((reply.time - request.time) * 1000, 3) if reply else None)
        if reply and target.count == 1:
            break
        await asyncio.sleep(pause_s if sequence + 1 < attempts else 0)
    return PingStatistics(tuple(rtts_ms))


def _evaluate(target: Ping, statistics: PingStatistics, facts: dict[str, Any], *, detailed: bool) -> ProbeResult:
    if not statistics.answered_ms:
        raise TargetFailed(f"no answer to {len(statistics.rtts_ms)} echo requests", code=NO_ANSWER)
    if failure := statistics.exceeded_limit(target.max_loss, target.max_jitter):
        if target.failure_status is FailureStatus.DOWN:
            raise TargetFailed(failure, detail=facts)
        return ProbeResult(Status.DEGRADED, 0, failure, facts, value=exact_number(statistics.average_ms))
    return ProbeResult(code=ANSWERED, detail=facts if detailed else None, value=exact_number(statistics.average_ms))


async def _await_reply(request: ICMPRequest, sock: AsyncSocket, wait_s: float) -> ICMPReply | None:
    """The reply, or None after `wait_s`. Raises icmplib's error for an ICMP error."""
    try:
        reply = await sock.receive(request, wait_s)
    except TimeoutExceeded:
        return None
    reply.raise_for_status()
    return reply


def _socket_for(address: str) -> ICMPv4Socket | ICMPv6Socket:
    """A datagram socket where the kernel allows it, else a raw one. Raises CheckInconclusive without either."""
    kind = ICMPv6Socket if ":" in address else ICMPv4Socket
    for privileged in (False, True):
        try:
            return kind(privileged=privileged)
        except SocketPermissionError:
            continue
    raise CheckInconclusive(NOT_PERMITTED)


def _classify_error(error: ICMPLibError) -> TargetFailed | CheckInconclusive:
    """The library keeps the system's error only as the exception's context."""
    if isinstance(error.__context__, OSError):
        return classify_os_error(error.__context__)
    if isinstance(error, DestinationUnreachable):
        return TargetFailed(f"unreachable: {str(error).lower()}")
    return TargetFailed(str(error).lower())
