"""Every type with TLS treats trust, client certificates and ignored errors alike."""

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from schema.status import Status
from schema.targets import TARGETS
from tests.actors.probes.scripted_server import listening, replying, talking
from tests.actors.probes.servers_tls import Authorities, Wanted, s_server

AT: dict[str, Any] = {"host": "127.0.0.1"}
CONFIGS: dict[str, dict[str, Any]] = {  # with which each begins with a handshake; `PORT` stands for the port
    "http": {"url": "https://127.0.0.1:PORT/"},
    "website": {"url": "https://127.0.0.1:PORT/"},
    "websocket": {"url": "wss://127.0.0.1:PORT/"},
    "tcp": {**AT, "tls": True},
    "ssl": {**AT, "check_chain": True},
    "dns over TLS": {"host": "a.test", "transport": "tls", "resolver_server": "127.0.0.1"},
    "dns over HTTPS": {"host": "a.test", "transport": "https", "resolver_url": "https://127.0.0.1:PORT/q"},
    "mail": {**AT, "protocol": "imap", "security": "tls"},
    "ldap": {**AT, "security": "tls"},
    "redis": {**AT, "tls": True},
    "mongodb": {**AT, "tls": True},
    "postgres": {**AT, "sslmode": "verify-full"},
    "mqtt": {**AT, "topic": "t", "tls": True},
    "kafka-producer": {"brokers": ["127.0.0.1:PORT"], "topic": "t", "message": "m", "tls": True},
    "rabbitmq": {**AT, "username": "u", "tls": True},
    "rabbitmq's nodes": {"nodes": ["https://127.0.0.1:PORT"], "username": "u"},
    "grpc": {**AT, "tls": True},
    "docker": {"container": "c", "daemon": "tcp://127.0.0.1:PORT", "tls": True},
}
ELSEWHERE = {"mysql", "sqlserver"}  # their handshakes begin inside of their protocols: see their own tests
PLAIN = {"ping", "push", "ssh", "ntp", "snmp", "group", "manual", "steam", "domain"}  # types without TLS of theirs
OURS = {"cert": ("tls_cert", "client_cert"), "key": ("tls_key", "client_key"), "ca": ("tls_ca", "ca_cert")}
NEVER_IGNORING = {"ssl", "postgres"}  # other fields configure what is ignored there


class Before(NamedTuple):
    """The bytes before the handshake: how many the client sends, and what the server sends."""

    size: int
    answer: bytes


BEFORE = {  # protocols that request TLS inside the connection
    "postgres": Before(8, b"S"),
}


def kind_of(what: str) -> type[Any]:
    return TARGETS[what.partition(" ")[0].partition("'")[0]]


def target_of(what: str, port: int, **pems: str) -> Any:
    """A target of the type at this port, with PEM texts in the fields that the type has for them."""
    kind = kind_of(what)
    config = msgspec.json.decode(msgspec.json.encode(CONFIGS[what]).replace(b"PORT", str(port).encode()))
    if "port" in kind.__struct_fields__ and b"PORT" not in msgspec.json.encode(CONFIGS[what]):
        config["port"] = port
    for name, text in pems.items():
        (field,) = {*OURS[name]} & {*kind.__struct_fields__}
        config[field] = text
    return msgspec.convert({"type": kind.__struct_config__.tag, **config}, kind)


def ignoring(target: Any) -> Any:
    field = "verify_ssl" if "verify_ssl" in target.__struct_fields__ else "ignore_tls_errors"
    return msgspec.structs.replace(target, **{field: field == "ignore_tls_errors"})


async def under_tls(writer: asyncio.StreamWriter, context: ssl.SSLContext) -> asyncio.Transport | None:
    """The connection under TLS; None when who came has left. The writer's own `start_tls` breaks then."""
    protocol = writer.transport.get_protocol()
    return await asyncio.get_running_loop().start_tls(writer.transport, protocol, context, server_side=True)


@contextlib.asynccontextmanager
async def meeting(context: ssl.SSLContext, what: str) -> AsyncIterator[tuple[int, list[Any]]]:
    """The port of a server that hangs up after the handshake, and what it learnt of who came."""
    met, before = list[Any](), BEFORE.get(what)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            if before:
                await reader.readexactly(before.size)
                writer.write(before.answer)
                await writer.drain()
                if (over := await under_tls(writer, context)) is not None:
                    met.append(over.get_extra_info("peercert"))
                    over.close()
                return
            met.append(writer.get_extra_info("peercert"))
        writer.close()

    async with listening(serve, tls=None if before else context) as port:
        yield port, met


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    return Authorities(tmp_path_factory.mktemp("authorities"))


def served(pair: tuple[Path, Path], change: Callable[[ssl.SSLContext], None] = lambda _: None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    change(context)
    context.load_cert_chain(*pair)
    return context


def test_every_type_is_here_or_has_no_tls():
    assert {kind_of(what).__struct_config__.tag for what in CONFIGS} | ELSEWHERE | PLAIN == {*TARGETS}
    for kind in (TARGETS[name] for name in TARGETS.keys() - PLAIN):
        assert all({*names} & {*kind.__struct_fields__} for names in OURS.values()), kind


@pytest.mark.parametrize("what", CONFIGS)
async def test_a_client_certificate_is_sent_to_a_trusted_server(check, authorities, what):
    def asking(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authorities.root)

    context = served(authorities.pair(Wanted(names=("127.0.0.1",))), asking)
    cert, key = (one.read_text() for one in authorities.pair(Wanted(common_name="the watch")))
    async with meeting(context, what) as (port, met):
        outcome = await check(target_of(what, port, cert=cert, key=key, ca=authorities.root.read_text()))
        strange = await check(target_of(what, port, ca=authorities.stranger.read_text()))
    names = {name: value for peer in met for part in peer["subject"] for name, value in part}
    assert names == {"commonName": "the watch"}, outcome.message
    assert strange.status is Status.DOWN
    assert "not valid: " in strange.message


async def test_an_alert_after_the_handshake_is_noticed_by_readers(check, authorities, tmp_path):
    pair = authorities.pair(Wanted(names=("127.0.0.1",)))
    asking = ("-Verify", "1", "-verify_return_error", "-tls1_3")
    trusted = {"ca": authorities.root.read_text()}
    async with s_server(pair, tmp_path, *asking) as port:
        http = await check(target_of("http", port, **trusted))
        tcp = await check(msgspec.structs.replace(target_of("tcp", port, **trusted), send="GET /\r\n\r\n", expect="ok"))
    assert (http.status, tcp.status) == (Status.DOWN, Status.DOWN)
    assert http.message == tcp.message == "TLS failed: tlsv13 alert certificate required"


WITHOUT_RFC_5746 = (  # a ServerHello of TLS 1.2 with a cipher, and no extensions
    b"\x16\3\3\0\x2a\2\0\0\x26\3\3" + bytes(32) + b"\0\xc0\x2f\0"
)


async def test_a_server_without_safe_renegotiation_is_up_when_errors_are_ignored(check):
    async with talking(replying(WITHOUT_RFC_5746)) as port:
        strict = await check(target_of("tcp", port))
        lenient = await check(ignoring(target_of("tcp", port)))
    assert strict.message == "TLS failed: unsafe legacy renegotiation disabled"
    assert lenient.message != strict.message  # it goes on, and receives nothing more


@pytest.mark.parametrize("what", CONFIGS)
async def test_ciphers_of_tls_1_2_that_other_clients_offer_are_offered(check, authorities, what):
    def old(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("ECDHE-RSA-AES128-SHA:@SECLEVEL=0")

    context = served(authorities.pair(Wanted(names=("127.0.0.1",))), old)
    async with meeting(context, what) as (port, met):
        outcome = await check(target_of(what, port, ca=authorities.root.read_text()))
    assert met, outcome.message


@pytest.mark.parametrize("what", [one for one in CONFIGS if one not in NEVER_IGNORING])
async def test_obsolete_tls_is_used_where_errors_are_ignored(check, authorities, what):
    def ancient(context: ssl.SSLContext) -> None:
        context.set_ciphers("ECDHE-RSA-AES128-SHA:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1

    context = served(authorities.pair(Wanted(key="rsa1024", days=(-9, -2), issuer="")), ancient)
    async with meeting(context, what) as (port, met):
        strict = await check(target_of(what, port))
        assert not met
        lenient = await check(ignoring(target_of(what, port)))
    assert met, lenient.message
    assert strict.status is Status.DOWN
