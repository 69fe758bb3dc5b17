"""Name servers with oddities: the output of `dig`, and the result of a check."""

import asyncio
import contextlib
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import msgspec
import pytest

from bench.ports import unused_port
from schema.jobs import CheckOutcome
from schema.status import Status
from schema.targets import Dns
from tests import oddities
from tests.actors.probes.scripted_server import listening
from tests.actors.probes.server_processes import program

PAGE = "dns"
NAME = "shop.test."
Message = dns.message.Message
Answers = Callable[[Message, object], list[bytes]]  # to a query, by stream or not
COMPLAINT = re.compile("warning|bad packet|timed out|mismatch|end of file", re.IGNORECASE)
BOTH, US = frozenset({"us", "them"}), frozenset({"us"})
STATUS = re.compile(r"status: (\w+)")


class Case(NamedTuple):
    """A query and its response. `silent_to` names the sides that get no valid answer."""

    answers: Answers
    kind: str = "A"
    silent_to: frozenset[str] = frozenset()
    host: str = NAME.rstrip(".")
    fields: Mapping[str, Any] = MappingProxyType({})


def made(query: Message, *lines: str, **parts: Any) -> Message:
    """A response with these records: `name type data`, the name as `@` where it is the queried one."""
    reply = dns.message.make_response(query, recursion_available=True)
    for number, line in enumerate(lines):
        name, kind, data = line.split(maxsplit=2)
        owner = query.question[0].name if name == "@" else dns.name.from_text(name)
        found = dns.rrset.from_text(owner, parts.get("ttl", 60), "IN", kind, data)
        section = reply.authority if parts.get("authority") else reply.answer
        if section and number and section[-1].match(found.name, found.rdclass, found.rdtype, found.covers):
            section[-1].add(found[0])
        else:
            section.append(found)
    reply.set_rcode(parts.get("rcode", dns.rcode.NOERROR))
    reply.flags = (reply.flags | parts.get("on", 0)) & ~parts.get("off", 0)
    return reply


def holding(*lines: str, turned: Callable[[bytes], list[bytes]] = lambda whole: [whole], **parts: Any) -> Answers:
    """Answers with these records; `turned` makes datagrams of the message."""
    return lambda query, _: turned(made(query, *lines, **parts).to_wire(max_size=65_535))


def counted(*lines: str, **counts: int) -> Answers:
    """The records, and a head that counts them wrong."""

    def turned(whole: bytes) -> list[bytes]:
        return [whole[:6] + counts["answers"].to_bytes(2, "big") + whole[8:]]

    return holding(*lines, turned=turned)


def truncated(*lines: str, by_stream: bool = True) -> Answers:
    """Cut in a datagram; whole by stream, if there is one."""

    def answers(query: Message, streamed: object) -> list[bytes]:
        if streamed:
            return [made(query, *lines).to_wire(max_size=65_535)] if by_stream else []
        return [made(query, on=dns.flags.TC).to_wire(max_size=65_535)]

    return answers


def asking_otherwise(name: str, *lines: str) -> Answers:
    """The response to another query."""

    def answers(query: Message, _: object) -> list[bytes]:
        other = dns.message.make_query(name, "A", id=query.id)
        return [made(other, *lines).to_wire(max_size=65_535)]

    return answers


def without_question(*lines: str, **parts: Any) -> Answers:
    def answers(query: Message, _: object) -> list[bytes]:
        reply = made(query, *lines, **parts)
        reply.question = []
        return [reply.to_wire(max_size=65_535)]

    return answers


def with_id(change: int, *lines: str, then: bool = False) -> Answers:
    """Under another id; `then` under the right one."""

    def turned(whole: bytes) -> list[bytes]:
        number = (int.from_bytes(whole[:2], "big") + change) % 65_536
        return [number.to_bytes(2, "big") + whole[2:], *([whole] if then else [])]

    return holding(*lines, turned=turned)


def without_edns(*lines: str) -> Answers:
    """FORMERR for queries with EDNS."""

    def answers(query: Message, _: object) -> list[bytes]:
        if query.edns < 0:
            return [made(query, *lines, on=dns.flags.AD).to_wire(max_size=65_535)]
        reply = dns.message.make_response(query)
        reply.use_edns(-1)
        reply.set_rcode(dns.rcode.FORMERR)
        return [reply.to_wire(max_size=65_535)]

    return answers


def bytes_of(hexed: str) -> Answers:
    """The question's head and question, and then these bytes as one answer."""

    def answers(query: Message, _: object) -> list[bytes]:
        query.use_edns(-1)
        whole = made(query).to_wire(max_size=65_535)
        return [whole[:6] + b"\0\1" + whole[8:] + bytes.fromhex(hexed)]

    return answers


A, B = "@ A 192.0.2.1", "@ A 192.0.2.2"
CHAIN = [f"{'@' if n == 0 else f'c{n}.test.'} CNAME c{n + 1}.test." for n in range(20)]
LONG = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 56])
CASES = {
    "an address": Case(holding(A)),
    "two addresses, the larger first": Case(holding("@ A 192.0.2.10", "@ A 192.0.2.9")),
    "the same address twice": Case(bytes_of("c00c000100010000003c0004c0000201")),
    "MX, not in their order": Case(
        holding("@ MX 20 b.test.", "@ MX 5 c.test.", "@ MX 10 a.test.", "@ MX 5 b.test."), "MX"
    ),
    "SRV, not in their order": Case(holding("@ SRV 10 5 443 b.test.", "@ SRV 2 5 443 a.test."), "SRV"),
    "IPv6": Case(holding("@ AAAA 2001:db8:0:0::1"), "AAAA"),
    "an IPv4 address in IPv6": Case(holding("@ AAAA ::ffff:192.0.2.1"), "AAAA"),
    "truncated, and whole over TCP": Case(truncated(A, B)),
    "truncated, and nothing over TCP": Case(truncated(A, by_stream=False)),
    "another id, then the right one": Case(with_id(1, A, then=True)),
    "another id": Case(with_id(1, A), silent_to=BOTH),
    "another question": Case(asking_otherwise("other.test", "other.test. A 192.0.2.1"), silent_to=BOTH),
    "the question in other letters (0x20)": Case(asking_otherwise("ShOp.TeSt", "SHOP.test. A 192.0.2.1")),
    "no question": Case(without_question("shop.test. A 192.0.2.1")),
    "REFUSED without a question": Case(without_question(rcode=dns.rcode.REFUSED)),
    "CNAME, and what it leads to": Case(holding("@ CNAME c1.test.", "c1.test. A 192.0.2.1")),
    "CNAMEs in a chain of 12": Case(holding(*CHAIN[:12], "c12.test. A 192.0.2.1")),
    "CNAMEs in a chain of 20": Case(holding(*CHAIN, "c20.test. A 192.0.2.1")),
    "CNAMEs, the end first": Case(holding("c1.test. A 192.0.2.1", "@ CNAME c1.test.")),
    "CNAME that leads nowhere": Case(holding("@ CNAME c1.test.")),
    "CNAMEs in a loop": Case(holding("@ CNAME c1.test.", "c1.test. CNAME shop.test.")),
    "CNAME, asked for": Case(holding("@ CNAME c1.test."), "CNAME"),
    "CNAME and an address of the same name": Case(holding("@ CNAME c1.test.", A)),
    "DNAME and the CNAME that it makes": Case(
        holding("test. DNAME example.", "@ CNAME shop.example.", "shop.example. A 192.0.2.1")
    ),
    "no record, and the zone's SOA": Case(holding("test. SOA ns.test. admin.test. 1 2 3 4 5", authority=True)),
    "no record, and nothing else": Case(holding()),
    "a referral": Case(holding("test. NS ns.test.", authority=True)),
    "records of another type": Case(holding("@ TXT x")),
    "an address and its signature": Case(holding(A, "@ RRSIG A 8 2 60 20300101000000 20200101000000 1 test. AAAA")),
    "addresses of another name": Case(holding("other.test. A 192.0.2.1")),
    "NXDOMAIN": Case(holding(rcode=dns.rcode.NXDOMAIN)),
    "NXDOMAIN behind a CNAME": Case(holding("@ CNAME c1.test.", rcode=dns.rcode.NXDOMAIN)),
    "SERVFAIL": Case(holding(rcode=dns.rcode.SERVFAIL)),
    "REFUSED": Case(holding(rcode=dns.rcode.REFUSED)),
    "NOTIMP": Case(holding(rcode=dns.rcode.NOTIMP)),
    "FORMERR": Case(holding(rcode=dns.rcode.FORMERR)),
    "YXDOMAIN": Case(holding(rcode=dns.rcode.YXDOMAIN)),
    "SERVFAIL with an address": Case(holding(A, rcode=dns.rcode.SERVFAIL)),
    "FORMERR to EDNS": Case(without_edns(A)),
    "FORMERR to EDNS, and DNSSEC is wanted": Case(without_edns(A), fields={"dnssec": True}),
    "a pointer to the question": Case(bytes_of("c00c000100010000003c0004c0000201")),
    "a pointer to itself": Case(bytes_of("c01b000100010000003c0004c0000201"), silent_to=US),
    "a pointer behind the end": Case(bytes_of("cfff000100010000003c0004c0000201"), silent_to=US),
    "an address of five bytes": Case(bytes_of("c00c000100010000003c0005c000020101"), silent_to=US),
    "a record that is cut off": Case(bytes_of("c00c000100010000003c0004c000"), silent_to=US),
    "more records counted than there are": Case(counted(A, answers=2), silent_to=US),
    "fewer records counted than there are": Case(counted(A, answers=0)),
    "bytes behind the message": Case(holding(A, turned=lambda whole: [whole + b"\0\0\0"])),
    "garbage, then the answer": Case(holding(A, turned=lambda whole: [b"", b"\xff", whole[:12], whole])),
    "the answer twice": Case(holding(A, turned=lambda whole: [whole, whole])),
    "a query instead of a response": Case(holding(A, off=dns.flags.QR), silent_to=US),
    "another opcode": Case(holding(A, on=dns.opcode.to_flags(dns.opcode.NOTIFY)), silent_to=BOTH),
    "no recursion": Case(holding(A, off=dns.flags.RA)),
    "a lifetime of 0": Case(holding(A, ttl=0)),
    "a lifetime of 2 ** 32 - 1": Case(bytes_of("c00c00010001ffffffff0004c0000201")),
    "TXT of one string": Case(holding('@ TXT "v=spf1 -all"'), "TXT"),
    "TXT of several strings": Case(holding('@ TXT "v=spf1 " "include:a.test " "-all"'), "TXT"),
    "TXT with quotes and a backslash": Case(holding('@ TXT "say \\"hi\\" \\\\ there"'), "TXT"),
    "TXT in UTF-8": Case(holding('@ TXT "caf\\195\\169"'), "TXT"),
    "TXT of bytes": Case(holding('@ TXT "\\000\\255"'), "TXT"),
    "TXT of no letters": Case(holding('@ TXT ""'), "TXT"),
    "two TXT": Case(holding("@ TXT b", "@ TXT a"), "TXT"),
    "CAA": Case(holding('@ CAA 0 issue "letsencrypt.org"'), "CAA"),
    "a name with a dot in a label": Case(holding("@ CNAME a\\.b.test."), "CNAME"),
    "a name with a blank and a byte in a label": Case(holding("@ CNAME a\\032b\\255.test."), "CNAME"),
    "a name as long as there are": Case(holding(f"@ CNAME {LONG}."), "CNAME", host=LONG),
    "an HTTPS record": Case(holding('@ HTTPS 1 . alpn="h2,h3" ipv4hint=192.0.2.1'), "HTTPS"),
    "a TLSA record": Case(holding("@ TLSA 3 1 1 " + "0d6fce33" * 8), "TLSA"),
    "300 addresses": Case(truncated(*(f"@ A 10.0.{n // 250}.{n % 250}" for n in range(300)))),
    "nothing": Case(lambda *_: [], silent_to=BOTH),
}


class Datagrams(asyncio.DatagramProtocol):
    """Answers each query over UDP."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's call."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """The loop's call."""
        for one in self._answers(dns.message.from_wire(data), False):
            self._transport.sendto(one, addr)


@contextlib.asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[int]:
    """The port of a name server, over UDP and TCP."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            size = int.from_bytes(await reader.readexactly(2), "big")
            query = dns.message.from_wire(await reader.readexactly(size))
            for one in answers(query, True):
                writer.write(len(one).to_bytes(2, "big") + one)
            await writer.drain()
        writer.close()

    async with listening(talk, port=unused_port()) as port:  # over UDP too
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Datagrams(answers), ("127.0.0.1", port)
        )
        try:
            yield port
        finally:
            transport.close()


async def theirs_of(case: Case, port: int) -> str:
    """The records of the queried type, as `dig` prints them, or its text for an empty answer.

    They are sorted: what serves them here shuffles them.
    """
    timeout_arg = "1" if "them" in case.silent_to else "30"
    run = await asyncio.create_subprocess_exec(
        *(program("dig", "bind9-dnsutils"), "-r", "@127.0.0.1", "-p", str(port), case.host, case.kind),
        *("+noall", "+comments", "+answer", "+tries=1", f"+time={timeout_arg}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    printed = (await run.communicate())[0].decode("utf-8", "replace")
    lines = [line.split(maxsplit=4) for line in printed.splitlines() if line and not line.startswith(";")]
    records = [line[4] for line in lines if len(line) == 5 and line[3] == case.kind]
    status = STATUS.search(printed)
    if status and status[1] == "NOERROR" and records:
        return oddities.named(f"{oddities.YES}: {shortened(sorted(records))}")
    return oddities.named(f"{oddities.NO}: {status[1] if status else complaint_in(printed)}")


def complaint_in(printed: str) -> str:
    received = [
        line.removeprefix(";; ")
        for line in printed.splitlines()
        if re.search("warning|bad|timed out|mismatch", line, re.IGNORECASE)
    ]
    return re.sub(r"\d+\.\d+\.\d+\.\d+#\d+", "the server", received[-1]) if received else "nothing"


def shortened(records: list[str]) -> str:
    return ", ".join(records[:6]) + (f" and {len(records) - 6} more" if len(records) > 6 else "")


def ours_of(outcome: CheckOutcome) -> str:
    """The result of a check, and the records in its order."""
    records = (outcome.detail or {}).get("records", [])
    printed = shortened([one or '""' for one in records])
    return oddities.words_of(outcome) + (f": {printed}" if outcome.status is Status.UP else "")


@pytest.mark.parametrize("what", CASES)
async def test_a_check_agrees_with_dig(check, what):
    case = CASES[what]
    async with serving(case.answers) as port:
        theirs = await theirs_of(case, port)
        fields = {"resolve_type": case.kind, "resolver_server": "127.0.0.1", "port": port, **case.fields}
        target = msgspec.convert({"type": "dns", "host": case.host, **fields}, Dns)
        ours = ours_of(await check(target, detailed=True, timeout_ms=2_000 if "us" in case.silent_to else 30_000))
    oddities.compare(PAGE, what, theirs, ours)


def test_the_page_has_a_row_for_each_of_them():
    assert list(oddities.rows(PAGE)) == list(CASES)
