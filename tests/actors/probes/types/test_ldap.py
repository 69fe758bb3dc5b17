"""Checks of directories."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import ValidationError, convert

from actors.probes.protocols.ber import element, integer, octets
from actors.probes.protocols.ldap_messages import BIND, BIND_RESPONSE, SEARCH_ENTRY, encode_message
from schema.assertions import CertificateDays
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Ldap
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.scripted_server import flooding, replying, saying, talking
from tests.actors.probes.servers_directory import Directory, slapd

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
ADMIN = {"bind_dn": "cn=admin,dc=test", "password": "secret"}
ENTRIES = """dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: cn=Ada (1*),dc=test
objectClass: inetOrgPerson
cn: Ada (1*)
sn: Lovelace
mail: ada@example.org
employeeNumber: 7

dn: cn=Grace,dc=test
objectClass: inetOrgPerson
cn: Grace
sn: Hopper
employeeNumber: 9
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    """An OpenLDAP server with three entries."""
    with slapd(tmp_path_factory.mktemp("slapd"), ENTRIES) as made:
        yield made


def at(port: int, **fields: Any) -> Ldap:
    return convert({"type": "ldap", "host": "127.0.0.1", "port": port, **fields}, Ldap)


@pytest.mark.parametrize("who", [{}, ADMIN])
async def test_a_directory_that_lets_us_bind_is_up(check, server, who):
    outcome = await check(at(server.plain, **who))
    assert (outcome.status, outcome.code) == (UP, ANSWERED)


async def test_a_wrong_password_is_down(check, server):
    outcome = await check(at(server.plain, **{**ADMIN, "password": "guessed"}))
    assert (outcome.status, outcome.message) == (DOWN, "the bind was refused: invalid credentials")


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        ("(sn=Lovelace)", ["cn=Ada (1*),dc=test"]),
        ("sn=hopper", ["cn=Grace,dc=test"]),
        (r"(cn=Ada \281\2a\29)", ["cn=Ada (1*),dc=test"]),
        ("(cn=*a*c*)", ["cn=Grace,dc=test"]),
        ("(&(objectClass=inetOrgPerson)(!(mail=*)))", ["cn=Grace,dc=test"]),
        ("(|(sn=Lovelace)(sn~=Hopper))", ["cn=Ada (1*),dc=test", "cn=Grace,dc=test"]),
    ],
)
async def test_a_search_finds_what_its_filter_matches(check, server, filter_, names):
    outcome = await check(at(server.plain, base="dc=test", filter=filter_), detailed=True)
    assert outcome.status is UP
    assert [name.replace(r"\281\2A\29", "(1*)").replace(r"\28", "(") for name in outcome.detail["names"]] == names


@pytest.mark.parametrize(
    ("fields", "expected", "expected_status"),
    [
        ({"attribute": "MAIL", "filter": "(sn=Lovelace)"}, "ada@example.org", UP),
        ({"attribute": "mail", "filter": "(sn=Lovelace)"}, "eve@example.org", DOWN),
        ({"attribute": "mail", "filter": "(sn=Hopper)"}, "ada@example.org", DOWN),
        ({"filter": "(objectClass=*)"}, "3", UP),
        ({"filter": "(objectClass=*)", "scope": "one"}, "2", UP),
        ({"filter": "(objectClass=*)", "scope": "base"}, "1", UP),
    ],
)
async def test_the_value_is_an_attribute_or_how_many_there_are(check, server, fields, expected, expected_status):
    target = at(server.plain, base="dc=test", assertions=[{"type": "value", "expected": expected}], **fields)
    assert (await check(target)).status is expected_status


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base": "dc=test", "filter": "(sn=Nobody)"}, "the search found nothing"),
        ({"base": "dc=elsewhere,dc=test", "filter": "(sn=Ada)"}, "the search failed: no such object"),
    ],
)
async def test_a_search_without_a_find_is_down(check, server, fields, message):
    outcome = await check(at(server.plain, **fields))
    assert (outcome.status, outcome.message) == (DOWN, message)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_tls_is_verified_unless_its_errors_are_ignored(check, server, security):
    port = server.tls if security == "tls" else server.plain
    ours = certificates.authority()[0].public_bytes(Encoding.PEM).decode()
    other = certificates.other_authority()[0].public_bytes(Encoding.PEM).decode()
    lasting = [{"type": "certificate_days", "min_days": 30}]
    usual = await check(at(port, security=security, **ADMIN, assertions=lasting))
    named = await check(at(port, security=security, ca_cert=ours, **ADMIN))
    strange = await check(at(port, security=security, ca_cert=other, **ADMIN))
    lenient = await check(at(port, security=security, ca_cert=other, ignore_tls_errors=True, **ADMIN))
    assert [(one.status, one.message) for one in (usual, named, lenient)] == [(UP, "")] * 3
    assert strange.status is DOWN
    assert strange.message.startswith("certificate not valid:")


async def test_no_certificate_is_no_agreement(check, server):
    target = Ldap(host="127.0.0.1", port=server.plain, assertions=[CertificateDays(min_days=1)])
    assert (await check(target)).message == "there is no certificate"


async def test_a_server_that_has_no_starttls_gets_no_password(check):
    received = []

    async def script(reader, writer):
        received.append(await reader.read(1_000))
        writer.write(encode_message(1, element(0x78, integer(53, 0x0A), octets(""), octets("no TLS"))))
        await writer.drain()
        received.append(await reader.read(1_000))

    async with talking(script) as port:
        outcome = await check(at(port, security="starttls", **ADMIN))
    assert (outcome.status, outcome.message) == (DOWN, "the server refuses STARTTLS: unwilling to perform (no TLS)")
    assert b"secret" not in b"".join(received)


async def test_plain_text_injected_before_tls_is_ignored(check):
    agreed = encode_message(1, element(0x78, integer(0, 0x0A), octets(""), octets("")))
    async with talking(replying(agreed + BIND_OK)) as port:
        outcome = await check(at(port, security="starttls", **ADMIN))
    assert (outcome.status, outcome.message) == (DOWN, "the server goes on without TLS after STARTTLS")


async def test_a_connection_that_ends_with_the_handshake_is_down_with_a_plain_message(check, server, monkeypatch):
    async def gone(*_: Any, **__: Any) -> None:
        """What asyncio's `start_tls` returns when the connection is lost at that very moment."""

    monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", gone)
    outcome = await check(at(server.plain, security="starttls", **ADMIN))
    assert (outcome.status, outcome.message) == (DOWN, "the connection was closed during the handshake")


BIND_OK = encode_message(1, element(BIND_RESPONSE, integer(0, 0x0A), octets(""), octets("")))


async def endless(reader, writer):
    """Binds, and finds entries for ever."""
    await reader.read(1_000)
    writer.write(BIND_OK)
    one = encode_message(2, element(SEARCH_ENTRY, octets("cn=" + "a" * 10_000), element(0x30)))
    while not writer.is_closing():
        writer.write(one)
        await writer.drain()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (replying(b""), "the connection was closed in the middle"),
        (replying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "the connection was closed in the middle"),
        (replying(b"\x30\x84\xff\xff\xff\xff"), "the answers are longer than 1 MB"),
        (replying(b"\x30\x80\0\0"), "the server doesn't speak LDAP: a length that is not definite, or absurd"),
        (replying(b"\x1f\xff"), "the server doesn't speak LDAP: a tag of several bytes"),
        (replying(b"\x30\x03\x02\x01\x01"), "the server doesn't speak LDAP"),
        (replying(encode_message(0, element(0x78))), "the server ends the connection"),
        (replying(encode_message(1, element(BIND))), "the server doesn't speak LDAP: an answer to something else"),
        (replying(encode_message(1, element(BIND_RESPONSE))), "the server doesn't speak LDAP"),
        (flooding, "the server doesn't speak LDAP"),
        (endless, "the answers are longer than 1 MB"),
    ],
)
async def test_a_server_that_is_none_is_down(check, script, message):
    async with talking(script) as port:
        outcome = await check(at(port, filter="(cn=*)"))
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)


async def test_a_silent_server_times_out(check):
    async with talking(saying(b"", then_hanging=True)) as port:
        outcome = await check(at(port), timeout_ms=300)
    assert (outcome.status, outcome.message) == (DOWN, "no answer within 0.3 s")


async def test_a_filter_that_can_not_be_read_is_our_own_fault(check, server):
    outcome = await check(at(server.plain, filter="(cn=a"))
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        "the configuration can't be used: `filter` must have a closing parenthesis at character 6",
    )


@pytest.mark.parametrize("fields", [{"bind_dn": "cn=a"}, {"password": "x"}, {"attribute": "a)(b"}])
def test_half_a_bind_or_a_name_that_is_none_is_refused(fields):
    with pytest.raises(ValidationError):
        at(389, **fields)


async def test_metadata_is_refused(check):
    assert (await check(Ldap(host="169.254.169.254"))).status is UNKNOWN


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(
        check,
        server.plain,
        lambda port: at(port, **ADMIN, base="dc=test", filter="(cn=*)", attribute="cn", assertions=DIFFERS),
    )
