"""Devices with oddities: the output of `snmpget`, and the result of a check.

The agents answer on the test's own loop; for version 3 there is a Net-SNMP besides, and one whose clock jumps.
"""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from actors.probes.protocols import snmp_messages, snmp_usm
from actors.probes.protocols.ber import (
    NULL,
    OCTETS,
    SEQUENCE,
    element,
    integer,
    octets,
    oid,
    parse_elements,
    parse_integer,
)
from schema.jobs import CheckOutcome
from schema.status import Status
from schema.targets import Snmp
from tests import oddities
from tests.actors.probes.scripted_server import Answers, datagrams
from tests.actors.probes.server_processes import program
from tests.actors.probes.types.test_snmp import USERS, at, server

__all__ = ["server"]  # a fixture

PAGE = "snmp"
BOTH, US, THEM = frozenset({"us", "them"}), frozenset({"us"}), frozenset({"them"})
NAME = "1.3.6.1.2.1.1.5.0"
SHOWN = snmp_usm.SnmpUser("shown", "md5", "authauth1")


class Case(NamedTuple):
    """How an agent answers a request: Net-SNMP by default. `silent_to` names the sides that get no valid answer."""

    answers: Callable[[bytes], list[bytes]] | None = None
    fields: Mapping[str, Any] = MappingProxyType({})
    silent_to: frozenset[str] = frozenset()


def request_of(data: bytes) -> tuple[int, int]:
    """The version and the id of a request."""
    (_, version), _, (_, pdu) = parse_elements(parse_elements(data)[0][1])
    return parse_integer(version), parse_integer(parse_elements(pdu)[0][1])


def answering(value: bytes = b"", **parts: Any) -> Answers:
    """Answers with this value; `parts` of the answer differ."""

    def answers(data: bytes) -> list[bytes]:
        version, request_id = request_of(data)
        binding = element(SEQUENCE, oid(parts.get("name", NAME)), value)
        pdu = element(
            parts.get("kind", snmp_messages.RESPONSE),
            parts.get("id", integer(request_id + parts.get("later", 0))),
            integer(parts.get("status", 0)),
            integer(1 if parts.get("status") else 0),
            element(SEQUENCE, *([binding] * parts.get("bindings", 1))),
        )
        body = (integer(parts.get("version", version)), octets(parts.get("community", "known")), pdu)
        return parts.get("sent", lambda whole: [whole])(element(SEQUENCE, *body))

    return answers


def long_form(whole: bytes) -> list[bytes]:
    """The outermost length in four bytes, where one would do."""
    inner = parse_elements(whole)[0][1]
    return [b"\x30\x84" + len(inner).to_bytes(4, "big") + inner]


def indefinite(whole: bytes) -> list[bytes]:
    return [b"\x30\x80" + parse_elements(whole)[0][1] + b"\0\0"]


def jumping(data: bytes) -> list[bytes]:
    """A device of version 3 whose discovery reports another clock than its own."""
    message = parse_elements(parse_elements(data)[0][1])
    own = parse_integer(parse_elements(message[1][1])[0][1])
    ((_, parameters),) = parse_elements(message[2][1])
    (_, engine_id), (_, boots), *_ = parse_elements(parameters)
    device, user = b"\x80\0\x1f\x88\x04jump", SHOWN
    first, real = snmp_usm.Engine(device, 1, 100), snmp_usm.Engine(device, 2, 500)
    if not engine_id:
        return [snmp_usm.encode_message(report("1.3.6.1.6.3.15.1.1.4.0"), own, snmp_usm.SnmpUser(), first)]
    if parse_integer(boots) == 1:
        return [snmp_usm.encode_message(report("1.3.6.1.6.3.15.1.1.2.0"), own, user, real)]
    request_id = parse_integer(parse_elements(parse_elements(message[3][1])[2][1])[0][1])
    binding = element(SEQUENCE, element(SEQUENCE, oid(NAME), octets("shop")))
    pdu = element(snmp_messages.RESPONSE, integer(request_id), integer(0), integer(0), binding)
    return [snmp_usm.encode_message(pdu, own, user, real)]


def report(counter: str) -> bytes:
    binding = element(SEQUENCE, element(SEQUENCE, oid(counter), integer(1, snmp_messages.COUNTER)))
    return element(snmp_messages.REPORT, integer(0), integer(0), integer(0), binding)


def raw(tag: int, hexed: str) -> bytes:
    return element(tag, bytes.fromhex(hexed))


SHOP = octets("shop")
CASES = {
    "INTEGER 2": Case(answering(integer(2))),
    "INTEGER -1": Case(answering(integer(-1))),
    "INTEGER -2147483648": Case(answering(integer(-(2**31)))),
    "INTEGER 42 with zeros in front": Case(answering(raw(0x02, "0000002a"))),
    "INTEGER of eight bytes": Case(answering(integer(2**40))),
    "INTEGER of no bytes": Case(answering(element(0x02)), silent_to=THEM),
    "OCTET STRING, text": Case(answering(SHOP)),
    "OCTET STRING, UTF-8": Case(answering(octets("caf\u00e9"))),
    "OCTET STRING, bytes": Case(answering(raw(OCTETS, "001b44113ab7"))),
    "OCTET STRING, a text that ends with a NUL": Case(answering(octets(b"shop\0"))),
    "OCTET STRING, empty": Case(answering(octets(b""))),
    "OCTET STRING, a number": Case(answering(octets("42.50"))),
    "OBJECT IDENTIFIER": Case(answering(oid("1.3.6.1.4.1.8072.3.2.10"))),
    "OBJECT IDENTIFIER 0.0": Case(answering(oid("0.0"))),
    "OBJECT IDENTIFIER with a number of 32 bits": Case(answering(oid("1.3.6.1.4.1.4294967295"))),
    "IpAddress": Case(answering(raw(snmp_messages.ADDRESS, "c0000201"))),
    "IpAddress of three bytes": Case(answering(raw(snmp_messages.ADDRESS, "c00002")), silent_to=THEM),
    "Counter32, the largest": Case(answering(raw(snmp_messages.COUNTER, "00ffffffff"))),
    "Counter32 of four bytes without a zero in front": Case(answering(raw(snmp_messages.COUNTER, "fffffffe"))),
    "Counter32 written as a negative number": Case(answering(raw(snmp_messages.COUNTER, "ff"))),
    "Counter32 of 33 bits": Case(answering(raw(snmp_messages.COUNTER, "0100000000"))),
    "Gauge32": Case(answering(raw(snmp_messages.GAUGE, "00ee6b2800"))),
    "TimeTicks": Case(answering(raw(snmp_messages.TICKS, "1068"))),
    "Counter64, the largest": Case(answering(raw(snmp_messages.COUNTER_64, "00ffffffffffffffff"))),
    "Counter64 without a zero in front": Case(answering(raw(snmp_messages.COUNTER_64, "ffffffffffffffff"))),
    "UInteger32": Case(answering(raw(snmp_messages.UINTEGER, "07"))),
    "Opaque Float": Case(answering(raw(snmp_messages.OPAQUE, "9f780440af0a3d"))),
    "Opaque Double": Case(answering(raw(snmp_messages.OPAQUE, "9f79084015e147ae147ae1"))),
    "Opaque Int64": Case(answering(raw(snmp_messages.OPAQUE, "9f7a02ff38"))),
    "Opaque UInt64": Case(answering(raw(snmp_messages.OPAQUE, "9f7b0900ffffffffffffffff"))),
    "Opaque Counter64": Case(answering(raw(snmp_messages.OPAQUE, "9f760108"))),
    "Opaque of something else": Case(answering(raw(snmp_messages.OPAQUE, "040161"))),
    "NULL": Case(answering(element(NULL))),
    "noSuchObject": Case(answering(element(0x80))),
    "noSuchInstance": Case(answering(element(0x81))),
    "endOfMibView": Case(answering(element(0x82))),
    "version 1: noSuchName": Case(answering(element(NULL), status=2), {"version": "1"}),
    "version 1: genErr": Case(answering(element(NULL), status=5), {"version": "1"}),
    "version 1: tooBig": Case(answering(element(NULL), status=1), {"version": "1"}),
    "version 1: a value": Case(answering(SHOP), {"version": "1"}),
    "authorizationError": Case(answering(element(NULL), status=16)),
    "an error that nobody knows": Case(answering(element(NULL), status=99)),
    "a length in four bytes": Case(answering(SHOP, sent=long_form)),
    "a length of the value in two bytes": Case(answering(b"\x04\x81\x04shop")),
    "an indefinite length": Case(answering(SHOP, sent=indefinite), silent_to=BOTH),
    "bytes behind the message": Case(answering(SHOP, sent=lambda whole: [whole + b"\0\0"])),
    "a message that is cut off": Case(answering(SHOP, sent=lambda whole: [whole[:-2]]), silent_to=BOTH),
    "garbage, then the answer": Case(answering(SHOP, sent=lambda whole: [b"\xff\xff", b"", whole])),
    "the answer twice": Case(answering(SHOP, sent=lambda whole: [whole, whole])),
    "another request's id": Case(answering(SHOP, later=1), silent_to=BOTH),
    "another community": Case(answering(SHOP, community="other")),
    "another version": Case(answering(SHOP, version=0), silent_to=BOTH),
    "another object": Case(answering(SHOP, name="1.3.6.1.2.1.1.4.0")),
    "two objects": Case(answering(SHOP, bindings=2)),
    "no object": Case(answering(SHOP, bindings=0), silent_to=US),
    "a request instead of a response": Case(answering(SHOP, kind=snmp_messages.GET), silent_to=US),
    "nothing": Case(lambda _: [], silent_to=BOTH),
    "version 3: authenticated": Case(fields=USERS[0]),
    "version 3: AES": Case(fields=USERS[3]),
    "version 3: AES of 256 bits (Blumenthal)": Case(
        fields={"username": "SHA.AES-256", "auth_protocol": "sha", "priv_protocol": "aes256"}
    ),
    "version 3: AES of 256 bits (Reeder)": Case(
        fields={"username": "SHA.AES-256-C", "auth_protocol": "sha", "priv_protocol": "aes256c"}
    ),
    "version 3: an unknown user": Case(fields={"username": "nobody", "auth_protocol": "md5"}),
    "version 3: a wrong password": Case(fields={**USERS[0], "auth_password": "guessed12"}),
    "version 3: a wrong privacy password": Case(fields={**USERS[3], "priv_password": "guessed12"}, silent_to=BOTH),
    "version 3: a level that is too low": Case(fields={"username": "usual"}),
    "version 3: a context that is not there": Case(fields={**USERS[0], "context": "elsewhere"}, silent_to=BOTH),
    "version 3: a clock that jumped since we were told": Case(jumping, USERS[0]),
}
PROTOCOLS = {"sha": "SHA", "md5": "MD5", "aes": "AES", "aes256": "AES-256", "aes256c": "AES-256-C"}


@contextlib.asynccontextmanager
async def agent(case: Case, real: int) -> AsyncIterator[int]:
    """The port of the case's agent; the real one where it has none."""
    if case.answers is None:
        yield real
        return
    async with datagrams(case.answers) as port:
        yield port


def words(case: Case, target: Snmp) -> list[str]:
    """`snmpget`'s options for the same question."""
    timeout_args = ["-t", "1", "-r", "0"] if "them" in case.silent_to else ["-t", "30", "-r", "1"]
    common = ["-m", "", "-On", "-Oe", f"-v{target.version.value}", *timeout_args]
    if not target.username:
        return [*common, "-c", target.community]
    signed = ["-a", PROTOCOLS[target.auth_protocol], "-A", target.auth_password] if target.auth_password else []
    hidden = ["-x", PROTOCOLS[target.priv_protocol], "-X", target.priv_password] if target.priv_password else []
    level = "authPriv" if hidden else "authNoPriv" if signed else "noAuthNoPriv"
    return [*common, "-u", target.username, "-l", level, *signed, *hidden, "-n", target.context]


async def theirs_of(case: Case, target: Snmp, place: Path) -> str:
    """The value as `snmpget` prints it, or why it prints none."""
    run = await asyncio.create_subprocess_exec(
        *(program("snmpget", "snmp"), *words(case, target), f"127.0.0.1:{target.port}", target.oid),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SNMP_PERSISTENT_DIR": str(place), "SNMPCONFPATH": str(place)},
    )
    printed, complaint = ((one or b"").decode("utf-8", "replace").strip() for one in await run.communicate())
    complaint = "\n".join(line for line in complaint.splitlines() if not line.startswith("Created directory"))
    value = printed.partition(" = ")[2] or printed
    if run.returncode == 0 and value and not value.startswith("No "):
        return oddities.named(f"{oddities.YES}: {value.splitlines()[0]}")
    reason = (value or complaint.removeprefix("snmpget: ")).replace(f"127.0.0.1:{target.port}", "the device")
    return oddities.named(f"{oddities.NO}: {' '.join(reason.split()) or 'nothing'}")


def ours_of(outcome: CheckOutcome) -> str:
    """The result of a check, with its value."""
    value = f": {json.dumps((outcome.detail or {}).get('value'), ensure_ascii=False)}"
    return oddities.words_of(outcome) + (value if outcome.status is Status.UP else "")


@pytest.mark.parametrize("what", CASES)
async def test_a_check_agrees_with_snmpget(check, server, tmp_path, what):
    case = CASES[what]
    async with agent(case, server.port) as port:
        target = at(port, **case.fields)
        theirs = await theirs_of(case, target, tmp_path)
        ours = ours_of(await check(target, detailed=True, timeout_ms=2_000 if "us" in case.silent_to else 60_000))
    oddities.compare(PAGE, what, theirs, ours)


def test_the_page_has_a_row_for_each_of_them():
    assert list(oddities.rows(PAGE)) == list(CASES)
