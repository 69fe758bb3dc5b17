"""Hostile name servers, clocks, devices and games: their responses to one datagram, and name servers over TCP."""

import struct
from typing import Any

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.rrset

from actors.probes.protocols import ber
from bench.faults.hostile.scripts import NO_LENGTH, POISON, Answers, Kind, Script, computing, local, replying, value_is

HEAD_BYTES = 12
NAMED = {"host": "watch.example", "resolver_server": "127.0.0.1"}


def kind(type_: str, name: str, answers: Answers, **more: Any) -> Kind:
    """A server that speaks in datagrams."""
    return Kind(name=f"{type_}: {name}", type=type_, config=local(**more), answers=answers)


def named(name: str, answers: Answers, **more: Any) -> Kind:
    """A name server."""
    return Kind(name=f"dns: {name}", type="dns", config=lambda port: {**NAMED, "port": port, **more}, answers=answers)


def over_tcp(name: str, script: Script) -> Kind:
    """A name server over TCP."""
    return Kind(
        name=f"dns: {name}",
        type="dns",
        config=lambda port: {**NAMED, "port": port, "transport": "tcp"},
        script=script,
    )


def answered(request: bytes, records: int, rest: bytes, flags: int = 0x8180, *, id_: int | None = None) -> bytes:
    """A reply with the question as it was, and whatever follows it."""
    number = int.from_bytes(request[:2], "big") if id_ is None else id_
    return struct.pack(">HHHHHH", number, flags, 1, records, 0, 0) + request[HEAD_BYTES:].split(b"\0\0\x29")[0] + rest


def texts(request: bytes) -> list[bytes]:
    """TXT records that are no text."""
    query = dns.message.from_wire(request)
    reply = dns.message.make_response(query)
    record = dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [POISON, b"a" * 255])
    found = dns.rrset.from_rdata(query.question[0].name, 60, record)
    reply.answer.append(found)
    return [reply.to_wire()]


def labels(request: bytes) -> list[bytes]:
    """A CNAME of poison, which leads to itself."""
    name = bytes([len(POISON)]) + POISON + b"\0"
    return [answered(request, 1, b"\xc0\x0c\0\5\0\1\0\0\0\x3c" + struct.pack(">H", len(name)) + name)]


def looping(request: bytes) -> list[bytes]:
    """A name that is compressed to itself."""
    at = 0xC000 | len(answered(request, 1, b""))
    return [answered(request, 1, struct.pack(">H", at) + b"\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1")]


def folded(request: bytes) -> bytes:
    """As many records as fit, each with a name that is folded 120 times."""
    head = answered(request[2:], 1, b"")
    chain, at = b"", len(head)
    for number in range(120):
        chain += b"\1a" + struct.pack(">H", 0xC000 | (12 if not number else at + 7 + 4 * number))
    first = b"\0\xff\0\0\1\0\0\0\x3c" + struct.pack(">H", len(chain)) + chain
    name = struct.pack(">H", 0xC000 | min(0x3FFF, at + 11 + len(chain) - 4))
    records = (name + b"\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1") * 3_900
    reply = answered(request[2:], 3_901, first + records)
    return struct.pack(">H", len(reply)) + reply


DNS = [
    named("texts that are none", texts, resolve_type="TXT", expected=["needle"]),
    named("labels that are none", labels),
    named("a name compressed to itself", looping),
    named("another number", lambda request: [answered(request, 0, b"", id_=1)] * 50),
    named("truncated, and no TCP", lambda request: [answered(request, 0, b"", 0x8380)]),
    named("65,000 records that are not there", lambda request: [answered(request, 65_000, b"")]),
    named("60,000 bytes behind the end", lambda request: [answered(request, 0, b"a" * 60_000)]),
    named("a record of more than there is", lambda request: [
        answered(request, 1, b"\xc0\x0c\0\1\0\1\0\0\0\x3c\xff\xff\x7f\0\0\1")]),
    named("a code nobody knows", lambda request: [answered(request, 0, b"", 0x818F)]),
    named("letters", lambda _: [POISON]),
    named("nothing", lambda _: [b""]),
    over_tcp("a length and nothing", replying(b"\xff\xff", hanging=True)),
    over_tcp("a name folded 120 times, 3,900 times", computing(folded)),
    over_tcp("letters over TCP", replying(POISON)),
    over_tcp("a reply that can't be read", replying(b"\0\x14" + b"\xff" * 20)),
]  # fmt: skip


def clock(stratum: int, reference: bytes, received: bytes, *, flags: int = 0x24) -> Answers:
    """A time server with these header fields."""

    def answers(request: bytes) -> list[bytes]:
        return [struct.pack(">BBBbII4s8s8s8s8s", flags, stratum, 0, 0, 0, 0xFFFFFFFF, reference, b"", request[40:48],
                            received, received)]  # fmt: skip

    return answers


NTP = [
    kind("ntp", "a kiss that is none", clock(0, b"\0\x1b\xe9\xff", bytes(8))),
    kind("ntp", "not synchronised", clock(16, b"\0\x1b\xe9\xff", bytes(8), flags=0xE4)),
    kind("ntp", "the end of all time", clock(1, b"\0\x1b\xe9\xff", b"\x7f" + b"\xff" * 7), max_offset=1000,
         failure_status="down"),
    kind("ntp", "answers to nobody", lambda _: [bytes([0x24]) + bytes(47)] * 50),
    kind("ntp", "letters", lambda _: [POISON, POISON * 40]),
]  # fmt: skip


def device(value: bytes, *, status: int = 0) -> Answers:
    """A device with one object, which has this value."""

    def answers(request: bytes) -> list[bytes]:
        ((_, inner),) = ber.parse_elements(request)
        _, _, (_, pdu) = ber.parse_elements(inner)
        (_, id_), *_, (_, bindings) = ber.parse_elements(pdu)
        ((_, binding),) = ber.parse_elements(bindings)
        (_, name), _ = ber.parse_elements(binding)
        bound = ber.element(ber.SEQUENCE, ber.element(ber.SEQUENCE, ber.element(ber.OID, name), value))
        body = ber.element(0xA2, ber.element(ber.INTEGER, id_), ber.integer(status), ber.integer(0), bound)
        return [ber.element(ber.SEQUENCE, ber.integer(1), ber.octets("public"), body)]

    return answers


def device_kind(name: str, answers: Answers, **more: Any) -> Kind:
    """An SNMP device."""
    return kind("snmp", name, answers, **{"oid": "1.3.6.1.2.1.1.1.0", "assertions": value_is("1"), **more})


def nested(depth: int) -> bytes:
    """Sequences in one another."""
    found = b""
    for _ in range(depth):
        found = ber.element(ber.SEQUENCE, found)
    return found


SNMP = [
    device_kind("a text that is none", device(ber.octets(POISON))),
    device_kind("a text with signs that turn letters", device(ber.octets("a \u202e \u2028 b"))),
    device_kind("a number of 9 bytes", device(ber.element(ber.INTEGER, b"\x7f" + b"\xff" * 8))),
    device_kind("a number of 8,000 bytes", device(ber.element(ber.INTEGER, b"\x7f" * 8_000))),
    device_kind("a counter of 8,000 bytes", device(ber.element(0x46, b"\xff" * 8_000))),
    device_kind("a name of 8,000 bytes", device(ber.element(ber.OID, b"\xff" * 8_000 + b"\1"))),
    device_kind("an address of no bytes", device(ber.element(0x40))),
    device_kind("an error of 2,000 bytes", device(ber.element(ber.NULL), status=1 << 16_000)),
    device_kind("sequences 10,000 deep", lambda _: [nested(10_000)]),
    device_kind("a length of four gigabytes", lambda _: [b"\x30\x84" + NO_LENGTH + b"a" * 99]),
    device_kind("letters", lambda _: [POISON] * 50),
]

ALONE = b"\xff\xff\xff\xff"
STEAM = [
    kind("steam", "names that are none", lambda _: [
        ALONE + b"I\x11" + (POISON.replace(b"\0", b"") + b"\0") * 4 + bytes(20)], map="needle"),
    kind("steam", "names without end", lambda _: [ALONE + b"I\x11" + b"a" * 60_000], map="needle"),
    kind("steam", "challenges without end", lambda _: [ALONE + b"A\xff\xff\xff\xff"]),
    kind("steam", "an answer that breaks off", lambda _: [ALONE + b"I"]),
    kind("steam", "a part of many that is packed", lambda _: [b"\xfe\xff\xff\xff\1\0\0\x80\xff\0BZh9" + b"\xff" * 99]),
    kind("steam", "letters", lambda _: [POISON, b""] * 20),
]  # fmt: skip

KINDS = [*DNS, *NTP, *SNMP, *STEAM]
