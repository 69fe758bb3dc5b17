"""What a MongoDB answers to one command that only reads.

MongoDB itself is in no Debian and no wheel. NX-27017 is an independent server of its wire protocol; it knows no users,
so the sign-in is held against the RFCs' own examples, and against the server's side of SCRAM.
"""

import asyncio
import contextlib
import hashlib
import hmac
import sys
from base64 import b64decode, b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import dns.message
import dns.rrset
import msgspec
import pymongo
import pytest
from bson import Decimal128
from cryptography.hazmat.primitives.serialization import Encoding

from actors.probes.kit.result import TargetFailed
from actors.probes.protocols.mongo_uri import resolve_cluster
from actors.probes.protocols.mongo_wire import HEAD
from actors.probes.protocols.scram import ScramClient, prepare_password
from actors.probes.types.mongodb import reply_value
from app.domain.connections.mongodb import Cluster
from app.domain.connections.uris import Encryption
from app.domain.parsing.values import ABSENT
from bench.ports import unused_port
from schema.assertions import Value
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.status import Status
from schema.targets import Mongodb
from tests.actors.probes import certificates
from tests.actors.probes.changing_relay import DIFFERS, survives
from tests.actors.probes.nameserver import naming
from tests.actors.probes.scripted_server import behind_tls, sending
from tests.actors.probes.server_processes import running

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with three carts; its port."""
    place, port = tmp_path_factory.mktemp("mongodb"), unused_port()
    files = ["--log-file", str(place / "log"), "--pid-file", str(place / "pid")]
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(Path(sys.executable).with_name("nx-27017")),
        "--db",
        "memory",
        "-p",
        str(port),
        *files,
    ]
    with running(command, place, port):
        client: pymongo.MongoClient[dict[str, str]] = pymongo.MongoClient("127.0.0.1", port)
        with client:
            client["shop"]["carts"].insert_many([{"state": one} for one in ("open", "open", "stuck")])
        yield port


def asking(port, command="ping", **changes):
    return Mongodb(**{"host": "127.0.0.1", "port": port, "database": "shop", "command": command, **changes})


async def test_a_server_that_answers_is_up(check, server):
    outcome = await check(asking(server), detailed=True)
    assert (outcome.status, outcome.code) == (UP, ANSWERED)
    assert outcome.detail == {"value": None, "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("command", "path", "value"),
    [
        ('{"count": "carts"}', "", "3"),
        ('{"count": "carts", "query": {"state": "stuck"}}', "", "1"),
        ('{"find": "carts", "filter": {"state": "stuck"}}', "", "stuck"),
        ('{"find": "carts", "filter": {"state": "lost"}}', "", "null"),
        ('{"find": "carts"}', "cursor.firstBatch.0.state", "open"),
        ('{"aggregate": "carts", "pipeline": [{"$match": {"state": "open"}}, {"$count": "n"}]}', "", "2"),
        ('{"hello": 1}', "isWritablePrimary", "true"),
    ],
)
async def test_the_value_in_the_reply_is_what_assertions_see(check, server, command, path, value):
    assert (await check(asking(server, command, path=path, assertions=[Value(expected=value)]))).status is UP
    assert (await check(asking(server, command, path=path, assertions=[Value(expected=f"{value}!")]))).status is DOWN


@pytest.mark.parametrize(
    ("reply", "path", "value"),
    [
        ({"values": ["b", "c"]}, "", "b"),
        ({"cursor": {"firstBatch": [{"_id": 7}]}}, "", 7),
        ({"cursor": None, "n": 3}, "", 3),
        ({"members": [{"name": "a"}, {"name": "b"}]}, "members.1.name", "b"),
        ({"members": []}, "members.0.name", ABSENT),
        ({"members": "none"}, "members.name.x", ABSENT),
        ({"members": [{"name": None}]}, "members.0.name", None),
        ({"ok": 1.0}, "", ABSENT),
        ({"n": Decimal128("12345678901234567890.12")}, "n", Decimal("12345678901234567890.12")),
    ],
)
def test_a_value_is_found_wherever_a_reply_has_it(reply, path, value):
    assert reply_value(reply, path) == value


async def test_a_refusal_is_down_with_the_server_s_message(check, server):
    outcome = await check(asking(server, '{"aggregate": "carts", "pipeline": [{"$nonsense": 1}]}'))
    assert outcome.status is DOWN
    assert outcome.message.startswith("the server answered: ")


async def test_the_first_reachable_host_is_used(check, server, free_port):
    text = f"mongodb://127.0.0.1:{free_port},127.0.0.1:{server}/shop?replicaSet=rs0&retryWrites=true&w=majority"
    counting = Mongodb(connection_string=text, command='{"count": "carts"}', assertions=[Value(expected="3")])
    assert (await check(counting)).status is UP
    assert (await check(asking(free_port))).message == "connection refused"


async def test_hosts_are_found_by_name_and_must_be_of_that_domain(check, monkeypatch):
    def published(query: dns.message.Message) -> dns.message.Message:
        reply, name = dns.message.make_response(query, recursion_available=True), query.question[0].name
        domain = "example.test." if "carts" in str(name) else "elsewhere.test."
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", f"0 0 27018 a.{domain}"))
        return reply

    async with naming(published) as port:

        def configured(resolver, _):
            resolver.nameservers, resolver.port = ["127.0.0.1"], port

        monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", configured)
        cluster = await resolve_cluster(Mongodb(connection_string="mongodb+srv://ada:p%2F@carts.example.test/shop"))
        elsewhere = await check(Mongodb(connection_string="mongodb+srv://lost.example.test/shop"))
    assert cluster == Cluster([("a.example.test", 27018)], "ada", "p/", "shop", "shop", Encryption(tls=True), "mongodb")
    assert elsewhere.status is DOWN
    assert elsewhere.message == "DNS names hosts for lost.example.test that are of another domain"


async def test_a_name_server_that_does_not_respond_is_unknown(check, monkeypatch, free_port):
    def configured(resolver, _):
        resolver.nameservers, resolver.port = ["127.0.0.1"], free_port

    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", configured)
    outcome = await check(Mongodb(connection_string="mongodb+srv://carts.example.test/shop"), timeout_ms=150)
    assert (outcome.status, outcome.message) == (UNKNOWN, "no answer from a name server within 0.15 s")


async def test_tls_is_verified_by_the_configured_authority_unless_errors_are_ignored(check, server, tmp_path):
    ca = certificates.authority()[0].public_bytes(Encoding.PEM).decode()
    async with behind_tls(server, certificates.served(tmp_path)) as port:
        trusted = await check(asking(port, tls=True, ca_cert=ca))
        strange = await check(asking(port, tls=True))
        ignored = await check(asking(port, tls=True, ignore_tls_errors=True))
    assert [trusted.status, strange.status, ignored.status] == [UP, DOWN, UP]
    assert strange.message.startswith("certificate not valid: ")


@pytest.mark.parametrize(
    ("mechanism", "username", "nonce", "first", "final", "last"),
    [
        (  # RFC 5802, 5
            "SCRAM-SHA-1",
            "user",
            "fyko+d2lbbFgONRv9qkxdawL",
            b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ),
        (  # RFC 7677, 3
            "SCRAM-SHA-256",
            "user",
            "rOprNGfwEbeRWgbNEkqO",
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            (
                b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            ),
            b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
    ],
)
def test_a_sign_in_goes_as_in_the_rfcs(mechanism, username, nonce, first, final, last):
    scram = ScramClient(username, "pencil", mechanism, nonce)
    assert scram.first_message() == f"n,,n=user,r={nonce}".encode()
    assert scram.final_message(first) == final
    scram.verify(last)


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (b"v=AAAA", "the server does not know the password itself"),
        (b"v=\xff\xfe", "the server does not know the password itself"),
        (b"v=", "the server does not know the password itself"),
        (b"", "the server does not know the password itself"),
        (b"e=other-error", "the server refused the sign-in: other-error"),
        (b"e=\xff", "the server refused the sign-in: \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_server_without_a_proof_is_down(last, reason):
    scram = ScramClient("user", "pencil", "SCRAM-SHA-256", "ours")
    scram.first_message()
    scram.final_message(b"r=oursand theirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".replace(b" ", b""))
    with pytest.raises(TargetFailed) as failed:
        scram.verify(last)
    assert str(failed.value) == reason


@pytest.mark.parametrize("reply", [b"", b"r=other,s=QSXC,i=4096", b"r=ours,s=QSXC,i=9999999999", b"r=ours,s=QSXC,i=x"])
def test_a_sign_in_that_is_none_is_refused(reply):
    scram = ScramClient("user", "pencil", "SCRAM-SHA-256", "ours")
    scram.first_message()
    with pytest.raises(TargetFailed, match="not SCRAM"):
        scram.final_message(reply)


def test_passwords_are_hashed_as_they_are_written():
    """As Kafka does: SASLprep would make two letters of the ligature, and refuse what Unicode 3.2 has not."""
    server = b"r=oursmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    proofs = set()
    for password in ("\ufb01sh", "fish", "\N{OWL}"):
        scram = ScramClient("ada", password, "SCRAM-SHA-256", "ours")
        scram.first_message()
        proofs.add(scram.final_message(server))
    assert len(proofs) == 3


def test_a_password_that_mongodb_has_no_user_of_is_down():
    assert prepare_password("\ufb01sh") == "fish"
    with pytest.raises(TargetFailed, match="allows no such password"):
        prepare_password("\N{OWL}")


def answer_of(request, known):
    """The server's side of SCRAM-SHA-256, for the user `ada` with the password `plügh€`."""
    if "hello" in request:
        return {"saslSupportedMechs": ["SCRAM-SHA-256"], "ok": 1}
    if "ping" in request:
        return {"ok": 1} if known.get("in") else {"ok": 0, "errmsg": "command ping requires authentication"}
    message = request["payload"].decode()
    if "saslStart" in request:
        known["bare"] = message.removeprefix("n,,")
        known["first"] = f"{message.partition('r=')[2]}abc"
        known["first"] = f"r={known['first']},s={b64encode(b'a pinch of salt').decode()},i=4096"
        return {"conversationId": 1, "payload": known["first"].encode(), "done": False, "ok": 1}
    if not message:
        return {"conversationId": 1, "payload": b"", "done": True, "ok": 1}
    without, _, proof = message.partition(",p=")
    salted = hashlib.pbkdf2_hmac("sha256", "plügh€".encode(), b"a pinch of salt", 4096)
    key = hmac.digest(salted, b"Client Key", "sha256")
    whole = f"{known['bare']},{known['first']},{without}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), whole, "sha256")
    known["in"] = b64decode(proof) == bytes(a ^ b for a, b in zip(key, signature, strict=True))
    if not known["in"]:
        return {"ok": 0, "errmsg": "Authentication failed."}
    mine = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), whole, "sha256")
    return {"conversationId": 1, "payload": b"v=" + b64encode(mine), "done": False, "ok": 1}


@contextlib.asynccontextmanager
async def with_users():
    """The port of a server that wants a sign-in."""

    async def talk(reader, writer):
        known: dict[str, Any] = {}
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size, number, _, _ = HEAD.unpack(await reader.readexactly(HEAD.size))
                body = bson.encode(answer_of(bson.decode((await reader.readexactly(size - 16))[5:]), known))
                writer.write(HEAD.pack(21 + len(body), 9, number, 2013) + b"\0" * 5 + body)
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


async def test_only_the_right_credentials_are_accepted(check):
    async with with_users() as port:
        right = await check(asking(port, username="ada", password="plügh€"))
        by_string = await check(Mongodb(connection_string=f"mongodb://ada:plügh€@127.0.0.1:{port}/?authSource=admin"))
        wrong = await check(asking(port, username="ada", password="xyzzy"))
        nobody = await check(asking(port))
    assert [right.status, by_string.status, wrong.status, nobody.status] == [UP, UP, DOWN, DOWN]
    assert wrong.message == "the server answered: Authentication failed."
    assert nobody.message == "the server answered: command ping requires authentication"


def framed(body, *, to=1, operation=2013, size=0):
    return HEAD.pack(size or 21 + len(body), 9, to, operation) + b"\0" * 5 + body


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the answer is not MongoDB's protocol"),
        (framed(bson.encode({"ok": 1}), to=7), "the answer is not MongoDB's protocol"),
        (framed(b"", size=2_000_000_000), "the answer is longer than 1 MB"),
        (framed(b"\xff\xff\xff\x7f\0"), "the answer is not MongoDB's protocol"),
        (framed(bson.encode({"ok": 1}), size=-5), "the answer is not MongoDB's protocol"),
        (framed(bson.encode({"n": 1})), "the server answered: no"),
        (b"\x15\0\0\0", "the connection was closed without an answer"),
    ],
)
async def test_a_hostile_answer_is_down(check, reply, message):
    async with sending(reply, then_close=True) as port:
        outcome = await check(asking(port))
    assert (outcome.status, outcome.message) == (DOWN, message)


async def test_a_silent_server_is_down(check):
    async with sending() as port:
        outcome = await check(asking(port), timeout_ms=150)
    assert (outcome.status, outcome.code) == (DOWN, NO_ANSWER)


@pytest.mark.parametrize(
    "text",
    ["mongo://127.0.0.1/", "mongodb://[::1/", "mongodb://127.0.0.1/?authMechanism=MONGODB-X509", "mongodb://a:b:c/"],
)
async def test_a_connection_string_that_can_not_be_read_is_unknown(check, text):
    assert (await check(Mongodb(connection_string=text))).status is UNKNOWN


async def test_checks_go_nowhere_near_metadata(check):
    assert (await check(asking(80, host="169.254.169.254"))).status is UNKNOWN


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ('{"drop": "carts"}', "must begin with one of"),
        ('{"comment": "x", "count": "carts"}', "must begin with one of"),
        ("[]", "must begin with one of"),
        ("drop", "must be a command's name or a JSON object"),
        (" {", "must be a command's name or a JSON object"),
        ('{"aggregate": "carts", "pipeline": [{"$out": "gone"}]}', r"must not have \$out"),
        ('{"aggregate": "a", "pipeline": [{"$facet": {"x": [{"$merge": "b"}]}}]}', r"must not have \$merge"),
        ('{"find": "carts", "filter": {"$where": "sleep(9)"}}', r"must not have \$where"),
    ],
)
def test_a_command_that_could_change_data_is_refused(command, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"host": "a.test", "command": command}, Mongodb)


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    await survives(
        check,
        server,
        lambda port: asking(port, '{"find": "carts"}', path="cursor.firstBatch.0.state", assertions=DIFFERS),
    )
