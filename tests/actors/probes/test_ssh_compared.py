"""SSH servers with oddities: the output of `ssh-keyscan`, and the result of a check with the key's fingerprint."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import asyncssh
import pytest
from hypothesis import given, strategies as st

from actors.probes.protocols import ssh_host_keys
from bench.ports import unused_port
from schema.status import Status
from schema.targets import Ssh
from tests import oddities
from tests.actors.probes.scripted_server import listening
from tests.actors.probes.server_processes import program, running

PAGE = "ssh"
KEYS = {  # `ssh-keygen`'s words for each
    "rsa": ("-t", "rsa", "-b", "2048"),
    "rsa1024": ("-t", "rsa", "-b", "1024"),
    "ecdsa": ("-t", "ecdsa", "-b", "256"),
    "ecdsa384": ("-t", "ecdsa", "-b", "384"),
    "ecdsa521": ("-t", "ecdsa", "-b", "521"),
    "ed25519": ("-t", "ed25519"),
    "other": ("-t", "ed25519"),
}
STOCK = ("rsa", "ecdsa", "ed25519")
# `sshd` hangs up as soon as it sees that nothing is in common: which of both we see first, the network decides.
HUNG_UP = "the connection was closed during the handshake"
NOTHING_IN_COMMON = "no cipher, key exchange or host key in common"
LINES = b"".join(b"Authorised use only, line %d.\r\n" % number for number in range(20))


class Case(NamedTuple):
    """A server: its keys in the configuration's order, the expected one, its options, and what it sends first."""

    keys: tuple[str, ...]
    expected: str
    options: tuple[str, ...] = ()
    before: bytes = b""


CASES = {
    "RSA, ECDSA and Ed25519 keys; the Ed25519 one": Case(STOCK, "ed25519"),
    "RSA, ECDSA and Ed25519 keys; the ECDSA one": Case(STOCK, "ecdsa"),
    "RSA, ECDSA and Ed25519 keys; the RSA one": Case(STOCK, "rsa"),
    "RSA, ECDSA and Ed25519 keys; another one": Case(STOCK, "other"),
    "RSA and ECDSA keys; the ECDSA one": Case(("rsa", "ecdsa"), "ecdsa"),
    "RSA and ECDSA keys; the RSA one": Case(("rsa", "ecdsa"), "rsa"),
    "ECDSA keys of 384 and 521 bits; the one of 384": Case(("ecdsa384", "ecdsa521"), "ecdsa384"),
    "ECDSA keys of 384 and 521 bits; the one of 521": Case(("ecdsa384", "ecdsa521"), "ecdsa521"),
    "an RSA key alone": Case(("rsa",), "rsa"),
    "an RSA key of 1024 bits": Case(("rsa1024",), "rsa1024"),
    "an RSA key that signs with SHA-1 alone": Case(("rsa",), "rsa", ("HostKeyAlgorithms ssh-rsa",)),
    "twenty lines before the version": Case(STOCK, "ed25519", before=LINES),
    "key exchange by `diffie-hellman-group14-sha1` alone": Case(
        STOCK, "ed25519", ("KexAlgorithms diffie-hellman-group14-sha1",)
    ),
    "key exchange by `diffie-hellman-group1-sha1` alone": Case(
        STOCK, "ed25519", ("KexAlgorithms diffie-hellman-group1-sha1",)
    ),
    "key exchange by `diffie-hellman-group-exchange-sha256` alone": Case(
        STOCK, "ed25519", ("KexAlgorithms diffie-hellman-group-exchange-sha256",)
    ),
    "key exchange by `sntrup761x25519-sha512@openssh.com` alone": Case(
        STOCK, "ed25519", ("KexAlgorithms sntrup761x25519-sha512@openssh.com",)
    ),
    "the cipher `aes256-cbc` alone": Case(STOCK, "ed25519", ("Ciphers aes256-cbc",)),
    "the cipher `3des-cbc` alone": Case(STOCK, "ed25519", ("Ciphers 3des-cbc",)),
    "the MAC `hmac-sha1` alone, and a cipher that needs one": Case(
        STOCK, "ed25519", ("MACs hmac-sha1", "Ciphers aes128-ctr")
    ),
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one key of each kind, called by it."""
    place = tmp_path_factory.mktemp("keys")
    program("sshd", "openssh-server")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    for name, args in KEYS.items():
        subprocess.run(["ssh-keygen", "-q", *args, "-N", "", "-f", place / name], check=True)
    return place


def fingerprint_of(keys: Path, name: str) -> str:
    return asyncssh.read_public_key(keys / f"{name}.pub").get_fingerprint()


@contextlib.asynccontextmanager
async def serving(case: Case, keys: Path, place: Path) -> AsyncIterator[int]:
    """The port of an OpenSSH server with these oddities."""
    port = unused_port()
    host_keys = [f"HostKey {keys}/{one}" for one in case.keys]
    config = [f"ListenAddress 127.0.0.1:{port}", "PidFile none", "UsePAM no", *host_keys, *case.options]
    (place / "sshd_config").write_text("\n".join(config) + "\n")
    command = [program("sshd", "openssh-server"), "-D", "-e", "-f", str(place / "sshd_config")]
    with running(command, place, port):
        if not case.before:
            yield port
            return
        async with speaking_first(case.before, port) as front:
            yield front


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
    writer.close()


@contextlib.asynccontextmanager
async def speaking_first(message: bytes, port: int) -> AsyncIterator[int]:
    """The port of a proxy that sends some bytes of its own, and then those of the server at `port`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(message)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, back), pour(there, writer))

    async with listening(serve) as front:
        yield front


async def scanned(port: int, type_: str) -> str:
    """What `ssh-keyscan` shows of one type of keys: its fingerprints, in its words."""
    scan = await asyncio.create_subprocess_exec(
        *("ssh-keyscan", "-T", "120", "-p", str(port), "-t", type_, "127.0.0.1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    printed, _ = await scan.communicate()
    if not printed:
        return ""
    read = await asyncio.create_subprocess_exec("ssh-keygen", "-lf", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return (await read.communicate(printed))[0].decode()


async def theirs_of(port: int, keys: Path, expected: str) -> str:
    """Yes when `ssh-keyscan` prints the expected key for its type; else its output."""
    printed = await scanned(port, KEYS[expected][1])
    if fingerprint_of(keys, expected) in printed:
        return oddities.YES
    return f"{oddities.NO}: shows {'another key' if printed else 'nothing'}"


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # how old servers do it
@pytest.mark.parametrize("what", CASES)
async def test_a_check_accepts_the_key_that_ssh_keyscan_prints(check, keys, tmp_path, what):
    case = CASES[what]
    names = {f"{name}'s fingerprint": fingerprint_of(keys, name) for name in KEYS}
    async with serving(case, keys, tmp_path) as port:
        theirs = await theirs_of(port, keys, case.expected)
        target = Ssh(host="127.0.0.1", port=port, fingerprint=names[f"{case.expected}'s fingerprint"])
        ours = oddities.words_of(await check(target), **names).replace(HUNG_UP, NOTHING_IN_COMMON)
    oddities.compare(PAGE, what, theirs, ours)


@contextlib.asynccontextmanager
async def letting_in(port: int, most: int) -> AsyncIterator[tuple[int, list[int]]]:
    """The port of a front that lets so many connections through to `port`, and notes each that came."""
    came: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(len(came))
        if len(came) > most:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pour(reader, back), pour(there, writer))

    async with listening(serve) as front:
        yield front, came


async def test_the_kind_of_key_that_matched_is_requested_first(check, keys, tmp_path):
    async with serving(Case(STOCK, "rsa"), keys, tmp_path) as port, letting_in(port, 9) as (front, came):
        target = Ssh(host="127.0.0.1", port=front, fingerprint=fingerprint_of(keys, "rsa"))
        ssh_host_keys._known_kinds.clear()
        outcomes = [await check(target)]
        first = len(came)
        outcomes.append(await check(target))
    assert [one.status for one in outcomes] == [Status.UP, Status.UP]
    assert (first, len(came)) == (3, 4)  # Ed25519, ECDSA, RSA; then RSA


async def test_a_server_that_refuses_a_second_connection_is_judged_by_its_first(check, keys, tmp_path):
    async with serving(Case(STOCK, "other"), keys, tmp_path) as port, letting_in(port, 1) as (front, _):
        target = Ssh(host="127.0.0.1", port=front, fingerprint=fingerprint_of(keys, "other"))
        outcome = await check(target)
    printed = fingerprint_of(keys, "ed25519")
    assert outcome.status is Status.DOWN
    assert outcome.message == f"the host key is {printed}, expected {target.fingerprint}"


@given(st.binary(max_size=200))
def test_any_first_message_can_be_looked_through(message):
    assert all(isinstance(one, str) for one in ssh_host_keys.parse_offered(message))


def test_the_cache_of_host_key_types_is_bounded():
    for number in range(ssh_host_keys.MAX_REMEMBERED + 10):
        ssh_host_keys.remember_kind(f"SHA256:{number}", "ssh-rsa")
    assert len(ssh_host_keys._known_kinds) <= ssh_host_keys.MAX_REMEMBERED
    assert ssh_host_keys.ordered_algorithms(f"SHA256:{number}")[0] == "rsa-sha2-512"
    ssh_host_keys._known_kinds.clear()


def test_the_page_has_a_row_for_each_of_them():
    assert list(oddities.rows(PAGE)) == list(CASES)
