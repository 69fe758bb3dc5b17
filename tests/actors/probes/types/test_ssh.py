"""Checks of SSH servers."""

import asyncio
import os
import pwd
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncssh
import pytest
from msgspec import Struct, ValidationError, convert

from bench.ports import unused_port
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED, CONNECTED
from schema.status import Status
from schema.targets import Ssh
from tests.actors.probes.changing_relay import survives
from tests.actors.probes.scripted_server import flooding, listening, saying, talking
from tests.actors.probes.server_processes import program, running

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN
OTHER_KEY = "SHA256:" + "A" * 43
ME = pwd.getpwuid(os.getuid()).pw_name


class Server(Struct):
    """An OpenSSH server: its port, its host key's fingerprint, and the private key that it lets in."""

    port: int
    fingerprint: str
    private_key: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An OpenSSH server that lets one key in."""
    sshd, place, port = program("sshd", "openssh-server"), tmp_path_factory.mktemp("sshd"), unused_port()
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
    (place / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {place}/host\nAuthorizedKeysFile {place}/user.pub\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication yes\n"
    )
    command = [sshd, "-D", "-e", "-f", str(place / "sshd_config")]
    with running(command, place, port):
        key = asyncssh.read_public_key(place / "host.pub")
        yield Server(port, key.get_fingerprint(), (place / "user").read_text())


def at(port: int, **fields: str) -> Ssh:
    return convert({"type": "ssh", "host": "127.0.0.1", "port": port, **fields}, Ssh)


async def test_a_server_that_greets_is_up_and_its_banner_is_the_value(check, server):
    outcome = await check(at(server.port), detailed=True)
    assert (outcome.status, outcome.code) == (UP, CONNECTED)
    assert outcome.detail["banner"].startswith("SSH-2.0-OpenSSH_")
    old = Value(operator=Operator.CONTAINS, expected="OpenSSH_3.4")
    asserted = await check(Ssh(host="127.0.0.1", port=server.port, assertions=[old]))
    assert asserted.status is DOWN


async def test_the_host_key_is_the_one_expected(check, server):
    right = await check(at(server.port, fingerprint=server.fingerprint), detailed=True)
    wrong = await check(at(server.port, fingerprint=OTHER_KEY))
    assert (right.status, right.code) == (UP, ANSWERED)
    assert right.detail["algorithm"] == "ssh-ed25519"
    assert right.detail["banner"].startswith("SSH-2.0-OpenSSH_")
    assert (wrong.status, wrong.message) == (DOWN, f"the host key is {server.fingerprint}, expected {OTHER_KEY}")


async def test_a_user_with_the_right_key_gets_in(check, server):
    outcome = await check(at(server.port, username=ME, private_key=server.private_key))
    assert (outcome.status, outcome.code) == (UP, ANSWERED)


async def test_a_user_with_another_key_or_password_does_not(check, server):
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    for secret in ({"private_key": other}, {"password": "guessed"}):
        outcome = await check(at(server.port, username=ME, **secret))
        assert (outcome.status, outcome.message) == (DOWN, f"the login of {ME} was refused")


async def test_no_login_is_attempted_on_a_server_with_another_host_key(check):
    attempts = []

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            attempts.append(username)
            return True

    async with asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[_a_key()]) as acceptor:
        outcome = await check(at(acceptor.get_port(), username="me", password="secret", fingerprint=OTHER_KEY))
    assert outcome.status is DOWN
    assert attempts == []


@pytest.mark.parametrize("login", [{}, {"username": "me", "password": "secret"}])
async def test_a_server_must_own_the_host_key_it_presents(check, login):
    """Host keys are public: who stands in between can show the right one."""
    host_key, (own,) = _a_key(), asyncssh.load_keypairs([_a_key()])
    own.public_data = host_key.public_data
    async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[own]) as acceptor:
        outcome = await check(at(acceptor.get_port(), fingerprint=host_key.get_fingerprint(), **login))
    assert outcome.status is DOWN
    assert outcome.message == "the server shows a host key that it does not have: somebody is in between"


async def test_checking_only_the_host_key_does_not_log_in(check):
    attempts, key = [], _a_key()

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            attempts.append(username)
            return True

    async with asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key]) as acceptor:
        outcome = await check(at(acceptor.get_port(), fingerprint=key.get_fingerprint()))
    assert (outcome.status, attempts) == (UP, [])


async def test_a_password_lets_in_where_it_is_right(check):
    class Server(asyncssh.SSHServer):
        def password_auth_supported(self):
            return True

        def validate_password(self, username, password):
            return (username, password) == ("me", "right")

    async with asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[_a_key()]) as acceptor:
        right = await check(at(acceptor.get_port(), username="me", password="right"))
        wrong = await check(at(acceptor.get_port(), username="me", password="wrong"))
    assert (right.status, wrong.status, wrong.message) == (UP, DOWN, "the login of me was refused")


def _a_key():
    return asyncssh.generate_private_key("ssh-ed25519")


async def test_a_server_may_send_lines_before_its_banner(check):
    async with talking(saying(b"hello\r\nthere\r\nSSH-2.0-mine\r\n", then_hanging=True)) as port:
        outcome = await check(at(port), detailed=True)
    assert (outcome.status, outcome.detail) == (UP, {"banner": "SSH-2.0-mine"})


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (saying(b""), "the connection was closed without an answer"),
        (saying(b"HTTP/1.1 400 Bad Request\r\n"), "the server doesn't speak SSH"),
        (saying(b"hello\n" * 100_000), "the server doesn't speak SSH"),
        (flooding, "the server doesn't speak SSH: a line without end"),
    ],
)
async def test_a_server_that_is_none_is_down(check, script, message):
    async with talking(script) as port:
        greeted = await check(at(port))
        met = await check(at(port, fingerprint=OTHER_KEY))
    assert greeted.status is DOWN
    assert greeted.message.startswith(message)
    assert met.status is DOWN
    assert "fault in Watchkeeper" not in met.message


@pytest.mark.parametrize(
    "message", [b"SSH-2.0-x\r\n" + b"\xff" * 4_096, b"SSH-1.5-old\r\n", b"SSH-2.0-x\r\n\0\0\0\x0c"]
)
async def test_a_broken_handshake_is_down(check, message):
    async with talking(saying(message)) as port:
        outcome = await check(at(port, fingerprint=OTHER_KEY))
    assert outcome.status is DOWN
    assert outcome.message


UNREADABLE_KEYS = [b"", b"garbage", b"\0\0\0\x0bssh-ed25519", b"\0\0\0\x07ssh-dss", b"\xff\xff\xff\xffssh-dss"]


@pytest.mark.parametrize("host_key", UNREADABLE_KEYS)
@pytest.mark.parametrize("options", [{"fingerprint": OTHER_KEY}, {"username": "me", "password": "secret"}])
async def test_a_host_key_that_can_not_be_read_is_down(check, host_key, options):
    (own,) = asyncssh.load_keypairs([_a_key()])
    own.public_data = host_key
    async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[own]) as acceptor:
        outcome = await check(at(acceptor.get_port(), **options))
    assert (outcome.status, outcome.message) == (DOWN, "the server's host key can't be read")


@pytest.mark.parametrize("options", [{"fingerprint": OTHER_KEY}, {"username": "me", "password": "secret"}])
async def test_a_greeting_beyond_ascii_is_no_internal_error(check, options):
    async with talking(saying(b"SSH-2.0-caf\xe9\r\n")) as port:
        greeted, met = await check(at(port)), await check(at(port, **options))
    assert greeted.status is UP
    assert (met.status, met.message) == (DOWN, "the server's greeting, or a name it gives, is not ASCII")


async def test_a_corrupted_connection_is_no_internal_error(check, server):
    for options in ({"fingerprint": server.fingerprint}, {"username": ME, "private_key": server.private_key}):
        await survives(check, server.port, partial(at, **options))


async def test_a_server_that_stops_after_its_banner_is_cut_off(check):
    async with talking(saying(b"SSH-2.0-x\r\n", then_hanging=True)) as port:
        outcome = await check(at(port, fingerprint=OTHER_KEY), timeout_ms=300)
    assert (outcome.status, outcome.message) == (DOWN, "no answer within 0.3 s")


async def test_a_check_that_ends_before_the_library_connects_leaves_no_socket(check, monkeypatch):
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async def wait_for_the_end(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()

    ended = asyncio.Event()
    monkeypatch.setattr(asyncssh.SSHClientConnectionOptions, "construct", hang)  # it awaits a thread
    async with talking(wait_for_the_end) as port:
        outcome = await check(at(port, fingerprint=OTHER_KEY), timeout_ms=100)
        assert (outcome.status, outcome.message) == (DOWN, "no answer within 0.1 s")
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_key_that_can_not_be_read_is_our_own_fault(check, server):
    outcome = await check(at(server.port, username="me", private_key="no key"))
    assert outcome.status is UNKNOWN
    assert outcome.message.startswith("the configuration can't be used: `private_key` must be a private key")


@pytest.mark.parametrize("fields", [{"username": "me"}, {"password": "x"}, {"fingerprint": "MD5:00:11"}])
def test_half_a_login_or_another_kind_of_fingerprint_is_refused(fields):
    with pytest.raises(ValidationError):
        at(22, **fields)


async def test_metadata_is_refused(check):
    for target in (Ssh(host="169.254.169.254"), Ssh(host="169.254.169.254", fingerprint=OTHER_KEY)):
        assert (await check(target)).status is UNKNOWN


async def test_no_server_chooses_the_prime_of_a_key_exchange(check):
    offers = []

    async def listen(reader, writer):
        writer.write(b"SSH-2.0-any\r\n")
        await reader.readline()
        offers.append(await reader.read(65_536))
        writer.close()

    async with listening(listen) as port:
        await check(Ssh(host="127.0.0.1", port=port, fingerprint=f"SHA256:{'a' * 43}"))
    assert len(offers) == 1
    assert b"diffie-hellman-group14-sha256" in offers[0]
    assert b"group-exchange" not in offers[0]
