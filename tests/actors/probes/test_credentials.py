"""Names and passwords beyond ASCII let us in, as they let in each server's own clients: what is sent is UTF-8.

SQL Server, Kafka and MongoDB hash or scramble theirs: their tests sign in with `ß` and `€` throughout.
"""

import asyncio
import contextlib
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncssh
import pytest
from msgspec import Struct
from pamqp import commands, frame

from bench.ports import unused_port
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.status import Status
from schema.targets import (
    Http,
    Ldap,
    Mail,
    MailProtocol,
    Mqtt,
    Mysql,
    Postgres,
    Rabbitmq,
    Redis,
    Ssh,
    Target,
    Website,
    WebSocket,
)
from schema.targets.http import HttpBasicAuth
from tests.actors.probes.scripted_server import listening
from tests.actors.probes.server_processes import (
    a_place,
    as_unprivileged_user,
    program,
    running,
    writable_by_unprivileged_user,
)
from tests.actors.probes.servers_directory import slapd
from tests.actors.probes.servers_sql import mariadb, postgresql

NAME = "ädmin"
PASSWORDS = ("pässwört", "p€ss", "пароль", "日本")
HERE: dict[str, Any] = {"host": "127.0.0.1"}


class Script(Struct):
    """A server that sends its replies, one for each request, and the requests that it expects in between.

    first    it speaks before it is spoken to
    sent     what stands in it, for a password
    """

    replies: list[bytes]
    target: Callable[[int, str], Target]
    sent: Callable[[str], bytes]
    first: bool = False
    proxy: ProxyProtocol | None = None


def plain(password: str) -> bytes:
    return f"\0{NAME}\0{password}".encode()


def basic(password: str) -> bytes:
    return b"Basic " + b64encode(f"{NAME}:{password}".encode())


def sized(password: str) -> bytes:
    return (
        len(NAME.encode()).to_bytes(1, "big")
        + NAME.encode()
        + len(password.encode()).to_bytes(1, "big")
        + password.encode()
    )


def bulk(password: str) -> bytes:
    return b"$%d\r\n%b\r\n$%d\r\n%b\r\n" % (
        len(NAME.encode()),
        NAME.encode(),
        len(password.encode()),
        password.encode(),
    )


def signing_in(type_: Callable[..., Target], **more: Any) -> Callable[[int, str], Target]:
    return lambda port, word: type_(**HERE, port=port, username=NAME, password=word, **more)


def login_of(type_: Callable[..., Target], field: str) -> Callable[[int, str], Target]:
    """Of a type that has an address."""

    def made(port: int, word: str) -> Target:
        url = f"http://127.0.0.1:{port}/"
        if field == "auth":
            return type_(url=url, auth=HttpBasicAuth(username=NAME, password=word))
        return type_(url=url, auth_username=NAME, auth_password=word)

    return made


def behind_proxy(type_: Callable[..., Target], url: str) -> Callable[[int, str], Target]:
    return lambda *_: type_(url=url, proxy_id="x")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
START = frame.marshal(commands.Connection.Start(0, 9, {}, "PLAIN", "en_US"), 0)
SITE = behind_proxy(Http, "http://127.0.0.1:9/")
CAPABLE = b"* CAPABILITY IMAP4rev1\r\nw OK\r\n"
SCRIPTS = {
    "http": Script([OK], login_of(Http, "auth"), basic),
    "website": Script([OK], login_of(Website, "auth_username"), basic),
    "redis": Script([b"+OK\r\n", b"+PONG\r\n"], signing_in(Redis), bulk),
    "rabbitmq": Script([START], signing_in(Rabbitmq), plain),
    "imap": Script(
        [b"* OK hi\r\n", CAPABLE, b"+ \r\n", b"+ \r\n"],
        signing_in(Mail, protocol=MailProtocol.IMAP),
        str.encode,
        first=True,
    ),
    "pop3": Script(
        [b"+OK hi\r\n", b"-ERR\r\n", b"+OK\r\n", b"-ERR no\r\n"],
        signing_in(Mail, protocol=MailProtocol.POP3),
        lambda word: f"USER {NAME}\r\nPASS {word}\r\n".encode(),
        first=True,
    ),
    "smtp": Script(
        [b"220 hi\r\n", b"250-a.test\r\n250 AUTH PLAIN\r\n", b"235 ok\r\n", b"221 bye\r\n"],
        signing_in(Mail, protocol=MailProtocol.SMTP),
        lambda word: b64encode(plain(word)),
        first=True,
    ),
    "an HTTP proxy": Script([OK], behind_proxy(Http, "http://a.test/"), basic, proxy=ProxyProtocol.HTTP),
    "a tunnel": Script([OK], behind_proxy(WebSocket, "ws://127.0.0.1:9/"), basic, proxy=ProxyProtocol.HTTP),
    "SOCKS5": Script([b"\5\2", b"\1\0"], SITE, sized, proxy=ProxyProtocol.SOCKS5),
    "SOCKS4": Script([b"\0\x5b" + b"\0" * 6], SITE, lambda _: NAME.encode() + b"\0", proxy=ProxyProtocol.SOCKS4),
}


@contextlib.asynccontextmanager
async def recording(script: Script) -> AsyncIterator[tuple[int, bytearray]]:
    """The port of such a server, and all that it has been sent."""
    sent = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            for number, reply in enumerate(script.replies):
                if number or not script.first:
                    sent.extend(await reader.read(65_536))
                writer.write(reply)
                await writer.drain()
            sent.extend(await reader.read(65_536))
            writer.close()

    async with listening(serve) as port:
        yield port, sent


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("name", SCRIPTS)
async def test_credentials_are_sent_as_utf_8(check, name, password):
    script = SCRIPTS[name]
    async with recording(script) as (port, sent):
        way = script.proxy and ProxyConfig(
            protocol=script.proxy, **HERE, port=port, username=NAME, password="" if name == "SOCKS4" else password
        )
        await check(script.target(port, password), proxy=way)
    assert script.sent(password) in bytes(sent), bytes(sent)


@pytest.fixture(scope="module")
def mysql():
    """Its users have the passwords' numbers as names."""
    users = [f"CREATE USER 'u{n}'@'127.0.0.1' IDENTIFIED BY '{one}';\n" for n, one in enumerate(PASSWORDS)]
    with mariadb("".join(users)) as port:
        yield lambda number, word: Mysql(**HERE, port=port, username=f"u{number}", password=word)


@pytest.fixture(scope="module")
def postgres():
    users = [f"CREATE USER u{n} PASSWORD '{one}'" for n, one in enumerate(PASSWORDS)]
    with postgresql(NAME, PASSWORDS[0], *users) as port:
        yield lambda number, word: Postgres(
            **HERE, port=port, username=f"u{number}", password=word, database="postgres"
        )


@pytest.fixture(scope="module")
def ldap(tmp_path_factory):
    entries = ["dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\no: test\ndc: test\n"]
    for n, one in enumerate(PASSWORDS):
        name, word = b64encode(f"cn=ü{n},dc=test".encode()).decode(), b64encode(one.encode()).decode()
        own = b64encode(f"ü{n}".encode()).decode()
        entries.append(f"dn:: {name}\nobjectClass: person\ncn:: {own}\nsn: a\nuserPassword:: {word}\n")
    with slapd(tmp_path_factory.mktemp("slapd"), "\n".join(entries)) as made:
        yield lambda number, word: Ldap(**HERE, port=made.plain, bind_dn=f"cn=ü{number},dc=test", password=word)


@pytest.fixture(scope="module")
def mqtt():
    daemon, passwords = program("mosquitto", "mosquitto"), program("mosquitto_passwd", "mosquitto")
    port = unused_port()
    with a_place() as place:
        (place / "users").touch()
        for n, one in enumerate(PASSWORDS):
            subprocess.run([passwords, "-b", str(place / "users"), f"ü{n}", one], check=True)
        (place / "conf").write_text(f"password_file {place / 'users'}\nlistener {port} 127.0.0.1\n")
        writable_by_unprivileged_user(place)
        with running(as_unprivileged_user(daemon, "-c", str(place / "conf")), place, port):
            yield lambda number, word: Mqtt(
                **HERE, port=port, topic="a", wait_for_message=False, username=f"ü{number}", password=word
            )


@pytest.mark.parametrize("number", range(len(PASSWORDS)))
@pytest.mark.parametrize("name", ["mysql", "postgres", "ldap", "mqtt"])
async def test_a_real_server_lets_us_in(check, request, name, number):
    target = request.getfixturevalue(name)
    right, wrong = await check(target(number, PASSWORDS[number])), await check(target(number, f"{PASSWORDS[number]}é"))
    assert (right.status, right.message, wrong.status) == (Status.UP, "", Status.DOWN)


@pytest.mark.parametrize("password", PASSWORDS)
async def test_an_ssh_server_lets_us_in(check, password):
    class Server(asyncssh.SSHServer):
        def password_auth_supported(self):
            return True

        def validate_password(self, username, attempted):
            return (username, attempted) == (NAME, password)

    key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key]) as acceptor:
        outcome = await check(Ssh(**HERE, port=acceptor.get_port(), username=NAME, password=password))
    assert (outcome.status, outcome.message) == (Status.UP, "")
