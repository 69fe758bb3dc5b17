"""Checks of Docker containers."""

import asyncio
import contextlib
import gzip
import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, ValidationError, convert, json

from actors.probes.kit.context import ProbeContext
from actors.probes.kit.result import TargetFailed
from actors.probes.types.docker import ContainerState, evaluate_state
from bench.ports import unused_port
from schema.heartbeat_texts import ANSWERED
from schema.settings import EgressPolicy
from schema.status import Status
from schema.targets import Docker
from tests.actors.probes import certificates
from tests.actors.probes.scripted_server import saying, talking
from tests.actors.probes.server_processes import program, running
from tests.actors.probes.target import answering, flooding, serving

UP, DOWN, UNKNOWN, DEGRADED = Status.UP, Status.DOWN, Status.UNKNOWN, Status.DEGRADED
WAITING = "while true; do read x; done"


class Engine(Struct):
    """A Docker daemon: its socket and its TCP port."""

    socket: str
    port: int

    def run(self, *args: str, check: bool = True) -> None:
        """A command of its own client."""
        subprocess.run(["docker", "-H", self.socket, *args], check=check, capture_output=True)

    def start(self, name: str, script: str = WAITING, *options: str) -> None:
        """A container without a network that runs a script."""
        self.run("run", "-d", "--name", name, "--network", "none", *options, "tiny", "/bin/sh", "-c", script)


def image() -> bytes:
    """A file system with a shell in it, as a tar file."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.add(program("busybox", "busybox-static"), "bin/sh")
    return made.getvalue()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Docker daemon of our own, without network and images of others; as root only."""
    dockerd, place = program("dockerd", "docker.io"), tmp_path_factory.mktemp("docker")
    if os.getuid() != 0:
        pytest.skip("dockerd takes root")
    made = Engine(f"unix://{place}/d.sock", unused_port())
    options = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]
    places = [f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"]
    hosts = [f"--host={made.socket}", f"--host=tcp://127.0.0.1:{made.port}", "--tls=false"]
    with running([dockerd, *options, *places, *hosts], place, made.port) as process:
        _until_ready(made, process, place / "out")
        subprocess.run(["docker", "-H", made.socket, "import", "-", "tiny"], input=image(), check=True)
        yield made
        made.run("rm", "-f", "well", "sick", "slow", "plain", "ended", check=False)
        process.terminate()  # it unmounts what it mounted
        process.wait(20)


@pytest.fixture
def engine(daemon: Engine, context: ProbeContext) -> Engine:
    """The same, whose socket checks may reach."""
    context.egress.use_policy(EgressPolicy(sockets=[daemon.socket.removeprefix("unix://")]))
    return daemon


def _until_ready(engine: Engine, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(subprocess.CalledProcessError):
            engine.run("version")
            return
        time.sleep(0.1)
    pytest.fail(log.read_text())


def at(daemon: str, container: str = "plain", **fields: Any) -> Docker:
    return convert({"type": "docker", "daemon": daemon, "container": container, **fields}, Docker)


async def test_a_container_that_runs_is_up_over_both_ways(check, engine):
    engine.start("plain")
    expected = [{"type": "value", "expected": "running"}]
    for daemon in (engine.socket, f"tcp://127.0.0.1:{engine.port}"):
        outcome = await check(at(daemon, assertions=expected), detailed=True)
        assert (outcome.status, outcome.code) == (UP, ANSWERED)
        assert outcome.detail == {"state": "running", "health": None, "exit_code": 0}


async def test_a_container_that_ended_or_is_not_there_is_down(check, engine):
    engine.start("ended", "exit 3")
    engine.run("wait", "ended")
    ended, absent = await check(at(engine.socket, "ended")), await check(at(engine.socket, "nothing"))
    assert (ended.status, ended.message) == (DOWN, "the container exited with code 3")
    assert (absent.status, absent.message) == (DOWN, "there is no container nothing")


async def _once(check, engine, name, health):
    """The first outcome whose health is that."""
    for _ in range(100):
        outcome = await check(at(engine.socket, name), detailed=True)
        if outcome.detail["health"] == health:
            return outcome
        await asyncio.sleep(0.1)
    pytest.fail(str(outcome))


async def test_a_containers_own_check_counts(check, engine):
    engine.start("well", WAITING, "--health-cmd", "true", "--health-interval", "1s")
    engine.start("sick", WAITING, "--health-cmd", "echo no; false", "--health-interval", "1s", "--health-retries", "1")
    engine.start("slow", WAITING, "--health-cmd", "true", "--health-interval", "1h")
    well = await _once(check, engine, "well", "healthy")
    sick = await _once(check, engine, "sick", "unhealthy")
    slow = await _once(check, engine, "slow", "starting")
    assert [one.status for one in (well, sick, slow)] == [UP, DOWN, DEGRADED]
    assert (sick.message, sick.detail["output"]) == ("the container is unhealthy", "no\n")
    assert slow.message == "the container's health check has not passed yet"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"Status": "paused"}, "the container is paused"),
        (
            {"Status": "exited", "ExitCode": 137, "OOMKilled": True},
            "the container exited with code 137 (out of memory)",
        ),
        ({"Status": "exited", "ExitCode": 127, "Error": "no sh"}, "the container exited with code 127 (no sh)"),
        ({}, "the container is in no state that the daemon names"),
        ({"Status": "running", "Health": {"Status": "unhealthy", "Log": []}}, "the container is unhealthy"),
    ],
)
def test_states_are_plain_text(state, message):
    with pytest.raises(TargetFailed) as failed:
        evaluate_state(convert(state, ContainerState), detailed=False)
    assert str(failed.value) == message


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (answering(b"oops", "500 Internal Server Error"), "the daemon answered 500: oops"),
        (answering(b"oops"), "the answer is not a container's inspection"),
        (answering(b'{"State": []}'), "the answer is not a container's inspection"),
        (answering(b"[" * 100_000), "the answer is not a container's inspection"),
        (answering(b'\xff{"State": {}}'), "the answer is not a container's inspection"),
        (answering(b"", "302 Found", headers="Location: http://169.254.169.254/\r\n"), "the daemon answered 302: "),
        (flooding, "the answer is longer than 1 MB"),
    ],
)
async def test_an_answer_that_is_none_is_down(check, script, message):
    async with serving(script) as target:
        outcome = await check(at(f"tcp://127.0.0.1:{target.port}"))
    assert outcome.status is DOWN
    assert outcome.message.startswith(message.strip())


async def test_a_daemon_with_another_protocol_or_no_response_is_down(check):
    async with talking(saying(b"SSH-2.0-x\r\n")) as port:
        outcome = await check(at(f"tcp://127.0.0.1:{port}"))
    assert outcome.status is DOWN
    async with talking(saying(b"", then_hanging=True)) as port:
        outcome = await check(at(f"tcp://127.0.0.1:{port}"), timeout_ms=300)
    assert (outcome.status, outcome.message) == (DOWN, "no answer within 0.3 s")


async def test_a_daemon_that_does_not_run_is_down(check, context, tmp_path, free_port):
    context.egress.use_policy(EgressPolicy(sockets=[f"{tmp_path}/none.sock"]))
    socket = await check(at(f"unix://{tmp_path}/none.sock"))
    port = await check(at(f"tcp://127.0.0.1:{free_port}"))
    assert (socket.status, socket.message) == (DOWN, "no such file or directory")
    assert (port.status, port.message) == (DOWN, "connection refused")


@pytest.mark.parametrize("policy", [EgressPolicy(), EgressPolicy(sockets=[])])
async def test_an_unlisted_socket_reveals_nothing_about_the_host(check, context, tmp_path, policy):
    """Whether it is there, answers, is a file, a folder, or may not be opened: one answer, and no connection."""
    context.egress.use_policy(policy)
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "closed").touch(0o000)
    served = asyncio.Event()

    async def serve(_: object, writer: asyncio.StreamWriter) -> None:
        served.set()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "served")
    names = ("none", "file", "folder", "closed", "served", "folder/../served", "none/../served")
    async with server:
        outcomes = {
            (one.status, one.message) for one in [await check(at(f"unix://{tmp_path}/{name}")) for name in names]
        }
    assert outcomes == {(UNKNOWN, "this Unix socket is not among those that checks may reach: refused")}
    assert not served.is_set()


async def test_tls_is_verified(check, tmp_path):
    running_ = json.encode({"State": {"Status": "running"}})
    async with serving(answering(running_), tls=certificates.served(tmp_path)) as target:
        right = await check(at(f"tcp://127.0.0.1:{target.port}", tls=True))
    untrusted = certificates.served(tmp_path, signer=certificates.other_authority())
    async with serving(answering(running_), tls=untrusted) as target:
        strange = await check(at(f"tcp://127.0.0.1:{target.port}", tls=True))
        lenient = await check(at(f"tcp://127.0.0.1:{target.port}", tls=True, ignore_tls_errors=True))
    assert [one.status for one in (right, strange, lenient)] == [UP, DOWN, UP]
    assert strange.message.startswith("certificate not valid:")


async def test_metadata_is_refused(check):
    assert (await check(at("tcp://169.254.169.254:80"))).status is UNKNOWN


@pytest.mark.parametrize(
    "fields",
    [
        {"container": "../../images"},
        {"container": "a/json?x="},
        {"daemon": "http://docker"},
        {"daemon": "unix://docker.sock"},
        {"daemon": "tcp://a:b@docker:2375"},
        {"tls": True},
        {"daemon": "tcp://docker:2376", "client_cert": "x"},
    ],
)
def test_a_name_or_a_place_that_is_none_is_refused(fields):
    with pytest.raises(ValidationError):
        at(**{"daemon": "unix:///var/run/docker.sock", **fields})


async def test_a_daemon_behind_a_compressing_proxy_is_read(check):
    body = gzip.compress(b'\xef\xbb\xbf{"State": {"Status": "running"}}')
    async with serving(answering(body, headers="Content-Encoding: none, gzip\r\n")) as target:
        assert (await check(at(f"tcp://127.0.0.1:{target.port}"))).status is UP
