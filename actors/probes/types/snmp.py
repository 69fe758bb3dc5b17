"""Checks that a device answers SNMP, and the value of one object."""

import asyncio
from collections.abc import Callable
from secrets import randbelow
from typing import TypeVar

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.net.udp import MAX_ATTEMPTS, UdpConnection, attempt_timeout_s, open_udp
from actors.probes.protocols import snmp_messages
from actors.probes.protocols.snmp_messages import REPORT, RESPONSE, SnmpReply
from actors.probes.protocols.snmp_usm import (
    NOT_IN_TIME,
    REPORTS,
    Engine,
    SnmpMessage,
    SnmpUser,
    decode_message,
    encode_message,
)
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.targets import Snmp
from schema.targets.services import NO_PROTOCOL, SnmpVersion

Parsed = TypeVar("Parsed")
ID_RANGE = 1 << 31


async def probe(target: Snmp, check: RunningCheck) -> ProbeResult:
    """Get one object, and evaluate the reply."""
    try:
        request_id = randbelow(ID_RANGE)
        pdu = snmp_messages.encode_get(request_id, target.oid)
    except ValueError as error:
        raise CheckInconclusive(f"{target.oid[:80]} is not an object's name") from error
    async with open_udp(check, target.host, target.port) as connection:
        client = SnmpClient(connection, attempt_timeout_s(check))
        get = _get_by_user if target.version is SnmpVersion.V3 else _get_by_community
        reply = await get(target, client, request_id, pdu)
    return _evaluate(target, reply, detailed=check.detailed)


class SnmpClient:
    """Sends requests, and repeats them until `parse` accepts a reply."""

    def __init__(self, connection: UdpConnection, wait_s: float) -> None:
        self._connection, self._wait_s = connection, wait_s

    async def request(self, data: bytes, parse: Callable[[bytes], Parsed]) -> Parsed:
        """The parsed reply. Raises TargetFailed when there is none."""
        for _ in range(MAX_ATTEMPTS):
            self._connection.send(data)
            try:
                async with asyncio.timeout(self._wait_s):
                    return await self._receive_valid(parse)
            except TimeoutError as error:
                if error.errno:  # a network error
                    raise
        raise TargetFailed(f"no answer to {MAX_ATTEMPTS} requests", code=NO_ANSWER)

    async def _receive_valid(self, parse: Callable[[bytes], Parsed]) -> Parsed:
        """Ignores datagrams that are no reply to us: anybody can send them."""
        while True:
            data = await self._connection.receive()
            try:
                return parse(data)
            except ValueError:
                continue


async def _get_by_community(target: Snmp, client: SnmpClient, request_id: int, pdu: bytes) -> SnmpReply:
    version = target.version.value

    def parse(data: bytes) -> SnmpReply:
        reply = snmp_messages.parse_message(version, data)
        if reply.request_id != request_id:
            raise ValueError("an answer to something else")
        return reply

    return await client.request(snmp_messages.encode_message(version, target.community, pdu), parse)


async def _get_by_user(target: Snmp, client: SnmpClient, request_id: int, pdu: bytes) -> SnmpReply:
    """Discover the device's engine, then send the request as the user; once more when its clock has moved."""
    user = snmp_user(target)
    engine = (await _exchange(client, snmp_messages.encode_get(request_id, target.oid), SnmpUser(), Engine())).engine
    message = await _exchange(client, pdu, user, engine)
    if message.reply.kind == REPORT and message.reply.name == NOT_IN_TIME:
        message = await _exchange(client, pdu, user, message.engine)
    if message.reply.kind == REPORT:
        raise TargetFailed(f"the device refuses us: {REPORTS.get(message.reply.name, 'for a reason it does not name')}")
    if (
        message.reply.kind != RESPONSE
        or message.reply.request_id != request_id
        or (user.auth and not message.authentic)
    ):
        raise TargetFailed("the answer is not to our question, or not authentic")
    return message.reply


async def _exchange(client: SnmpClient, pdu: bytes, user: SnmpUser, engine: Engine) -> SnmpMessage:
    message_id = randbelow(ID_RANGE)
    data = encode_message(pdu, message_id, user, engine)
    return await client.request(data, lambda answer: decode_message(answer, message_id, user))


def snmp_user(target: Snmp) -> SnmpUser:
    """The user for the wire; a protocol that is off is empty."""
    return SnmpUser(
        target.username,
        "" if target.auth_protocol.value == NO_PROTOCOL else target.auth_protocol.value,
        target.auth_password,
        "" if target.priv_protocol.value == NO_PROTOCOL else target.priv_protocol.value,
        target.priv_password,
        target.context,
    )


def _evaluate(target: Snmp, reply: SnmpReply, *, detailed: bool) -> ProbeResult:
    if reply.error:
        raise TargetFailed(f"{target.oid}: {reply.error}")
    try:
        value = reply.value
    except ValueError as error:
        raise TargetFailed(f"the value can't be read: {error}") from error
    return ProbeResult(code=ANSWERED, value=value, detail={"oid": reply.name, "value": value} if detailed else None)
