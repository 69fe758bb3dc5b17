"""Looks whether a device answers SNMP, and what it says of one object."""

import asyncio
from collections.abc import Callable
from secrets import randbelow
from typing import TypeVar

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.net.udp import TRIES, Line, line_to, share_of
from actors.probes.protocols import snmp_messages
from actors.probes.protocols.snmp_messages import REPORT, RESPONSE, Reply
from actors.probes.protocols.snmp_usm import NOT_IN_TIME, REPORTS, Engine, Heard, User, read, written
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.targets import Snmp
from schema.targets.services import NOTHING, SnmpVersion

Read = TypeVar("Read")
NUMBERS = 1 << 31


async def probe(target: Snmp, asked: Asked) -> Seen:
    """Get one object, and judge what came."""
    try:
        request_id = randbelow(NUMBERS)
        pdu = snmp_messages.get(request_id, target.oid)
    except ValueError as error:
        raise Unsure(f"{target.oid[:80]} is not an object's name") from error
    async with line_to(asked, target.host, target.port) as line:
        question = Question(line, share_of(asked))
        got = _with_user if target.version is SnmpVersion.V3 else _with_community
        reply = await got(target, question, request_id, pdu)
    return _judged(target, reply, detailed=asked.detailed)


class Question:
    """Asks, and asks again when nothing comes that `reading` takes for an answer."""

    def __init__(self, line: Line, wait_s: float) -> None:
        self._line, self._wait_s = line, wait_s

    async def answer(self, data: bytes, reading: Callable[[bytes], Read]) -> Read:
        """Raises Failed when there is none."""
        for _ in range(TRIES):
            self._line.send(data)
            try:
                async with asyncio.timeout(self._wait_s):
                    return await self._heard(reading)
            except TimeoutError as late:
                if late.errno:  # the network's own
                    raise
        raise Failed(f"no answer to {TRIES} requests", code=NO_ANSWER)

    async def _heard(self, reading: Callable[[bytes], Read]) -> Read:
        """Whatever is no answer to us is passed over: anybody can send datagrams."""
        while True:
            data = await self._line.receive()
            try:
                return reading(data)
            except ValueError:
                continue


async def _with_community(target: Snmp, question: Question, request_id: int, pdu: bytes) -> Reply:
    version = target.version.value

    def reading(data: bytes) -> Reply:
        reply = snmp_messages.opened(version, data)
        if reply.request_id != request_id:
            raise ValueError("an answer to something else")
        return reply

    return await question.answer(snmp_messages.enveloped(version, target.community, pdu), reading)


async def _with_user(target: Snmp, question: Question, request_id: int, pdu: bytes) -> Reply:
    """Ask the device who it is, then ask as the user; once more when its clock is not what it said."""
    user = user_of(target)
    engine = (await _exchange(question, snmp_messages.get(request_id, target.oid), User(), Engine())).engine
    heard = await _exchange(question, pdu, user, engine)
    if heard.reply.kind == REPORT and heard.reply.name == NOT_IN_TIME:
        heard = await _exchange(question, pdu, user, heard.engine)
    if heard.reply.kind == REPORT:
        raise Failed(f"the device refuses us: {REPORTS.get(heard.reply.name, 'for a reason it does not name')}")
    if heard.reply.kind != RESPONSE or heard.reply.request_id != request_id or (user.auth and not heard.authentic):
        raise Failed("the answer is not to our question, or not authentic")
    return heard.reply


async def _exchange(question: Question, pdu: bytes, user: User, engine: Engine) -> Heard:
    message_id = randbelow(NUMBERS)
    data = written(pdu, message_id, user, engine)
    return await question.answer(data, lambda answer: read(answer, message_id, user))


def user_of(target: Snmp) -> User:
    """The user as the wire has it; a protocol that is none is empty."""
    return User(
        target.username,
        "" if target.auth_protocol.value == NOTHING else target.auth_protocol.value,
        target.auth_password,
        "" if target.priv_protocol.value == NOTHING else target.priv_protocol.value,
        target.priv_password,
        target.context,
    )


def _judged(target: Snmp, reply: Reply, *, detailed: bool) -> Seen:
    if reply.objection:
        raise Failed(f"{target.oid}: {reply.objection}")
    try:
        value = reply.value
    except ValueError as error:
        raise Failed(f"the value can't be read: {error}") from error
    return Seen(code=ANSWERED, value=value, detail={"oid": reply.name, "value": value} if detailed else None)
