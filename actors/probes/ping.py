"""Looks whether a host answers ICMP echo."""

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

from actors.probes.seen import Failed, Seen, Unsure
from actors.probes.tools import Asked
from actors.probes.trouble import of_system
from schema.messages import ANSWERED, NO_ANSWER
from schema.targets import Ping

TRIES = 3  # echo requests, spread over the timeout: one lost packet is the network's habit, not the host's failure
NOT_PERMITTED = (
    "this worker may not send ICMP: let the kernel's net.ipv4.ping_group_range include its group, "
    "or give it the capability CAP_NET_RAW"
)


async def probe(target: Ping, asked: Asked) -> Seen:
    """Send up to three echo requests; the first answer will do."""
    address = (await asked.tools.egress.addresses(target.host))[0]
    try:
        with AsyncSocket(_socket_for(address)) as sock:
            return await _first_answer(sock, address, target.packet_size, asked)
    except ICMPLibError as error:
        raise _meaning(error) from error


async def _first_answer(sock: AsyncSocket, address: str, payload_bytes: int, asked: Asked) -> Seen:
    wait_s = asked.snapshot.timeout_ms / 1000 / TRIES
    name = unique_identifier()
    for sequence in range(TRIES):
        request = ICMPRequest(address, name, sequence, payload_size=payload_bytes)
        sock.send(request)
        if reply := await _reply_to(request, sock, wait_s):
            rtt_ms = round((reply.time - request.time) * 1000, 3)
            detail = {"address": address, "rtt_ms": rtt_ms, "lost": sequence} if asked.detailed else None
            return Seen(code=ANSWERED, detail=detail)
    raise Failed(f"no answer to {TRIES} echo requests", code=NO_ANSWER)


async def _reply_to(request: ICMPRequest, sock: AsyncSocket, wait_s: float) -> ICMPReply | None:
    """The answer, or None after `wait_s`. Raises icmplib's error for an answer that says no."""
    try:
        reply = await sock.receive(request, wait_s)
    except TimeoutExceeded:
        return None
    reply.raise_for_status()
    return reply


def _socket_for(address: str) -> ICMPv4Socket | ICMPv6Socket:
    """A datagram socket where the kernel lets us have one, else a raw one. Raises Unsure where neither."""
    kind = ICMPv6Socket if ":" in address else ICMPv4Socket
    for privileged in (False, True):
        try:
            return kind(privileged=privileged)
        except SocketPermissionError:
            continue
    raise Unsure(NOT_PERMITTED)


def _meaning(error: ICMPLibError) -> Failed | Unsure:
    """The library keeps the system's error only as what it was raised in."""
    if isinstance(error.__context__, OSError):
        return of_system(error.__context__)
    if isinstance(error, DestinationUnreachable):
        return Failed(f"unreachable: {str(error).lower()}")
    return Failed(str(error).lower())
