"""Real processes are observed as what they are: running, stopped, killed, replaced."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app import process_watch
from app.domain.system import process_identity
from app.domain.system.process_identity import ProcessIdentity, ProcessState
from app.process_watch import ProcessWatch
from tests.naps import Nap, napping

Proc = Callable[[], Path]


@pytest.fixture
def nap() -> Iterator[Nap]:
    with napping() as process:
        yield process


@pytest.fixture
async def watch() -> AsyncIterator[ProcessWatch]:
    watch = ProcessWatch()
    yield watch
    watch.close()


def test_this_process_runs_and_has_one_identity() -> None:
    own = process_identity.parse(process_watch.own_identity())
    assert own is not None
    assert (own.pid, own.host) == (os.getpid(), process_watch.host_fingerprint())
    assert process_watch.own_identity() == process_identity.encode(own)


async def test_a_running_process_has_not_ended(nap: Nap, watch: ProcessWatch) -> None:
    assert watch.watch(nap.identity) is ProcessState.RUNNING
    assert watch.take_ended() == []


async def test_a_stopped_process_has_not_ended(nap: Nap, watch: ProcessWatch) -> None:
    watch.watch(nap.identity)
    nap.stop()
    assert watch.watch(nap.identity) is ProcessState.RUNNING
    assert watch.take_ended() == []


@pytest.mark.parametrize("reaped", [False, True])
async def test_a_killed_process_wakes_and_is_reported_once(nap: Nap, watch: ProcessWatch, *, reaped: bool) -> None:
    watch.watch(nap.identity)
    nap.kill(reap=reaped)
    await watch.wait(3_600)
    assert watch.take_ended() == [nap.identity]
    assert watch.take_ended() == []
    assert watch.watch(nap.identity) is ProcessState.ENDED


async def test_a_process_that_had_ended_before_is_not_watched(nap: Nap, watch: ProcessWatch) -> None:
    nap.kill(reap=True)
    assert watch.watch(nap.identity) is ProcessState.ENDED
    assert watch.take_ended() == []


async def test_another_process_with_the_pid_means_that_it_has_ended(nap: Nap, watch: ProcessWatch) -> None:
    process = process_identity.parse(nap.identity)
    assert process is not None
    earlier = process_identity.encode(ProcessIdentity(process.host, process.pid, process.started - 1))
    assert watch.watch(earlier) is ProcessState.ENDED


async def test_a_process_elsewhere_has_no_known_state(nap: Nap, watch: ProcessWatch) -> None:
    nap.kill(reap=True)
    elsewhere = nap.identity.replace(process_watch.host_fingerprint(), "0" * process_watch.FINGERPRINT_DIGITS)
    assert watch.watch(elsewhere) is ProcessState.UNKNOWN


async def test_the_first_process_of_the_host_has_not_ended(watch: ProcessWatch) -> None:
    first = ProcessIdentity(process_watch.host_fingerprint(), 1, process_watch.read_process(1).started or 0)
    assert watch.watch(process_identity.encode(first)) is not ProcessState.ENDED


def test_a_process_may_be_named_like_other_fields() -> None:
    name = Path("/proc/self/comm")
    before, own = name.read_text(), process_watch.read_process(os.getpid())
    name.write_text("x) Z 1 (y")
    try:
        assert process_watch.read_process(os.getpid()) == own
    finally:
        name.write_text(before)


async def test_a_wait_ends_after_its_time(watch: ProcessWatch) -> None:
    await asyncio.wait_for(watch.wait(0.01), 30)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    """Makes a directory like /proc, as this process would see it."""

    def make() -> Path:
        root = tmp_path / "proc"
        own = root / str(os.getpid())
        (own / "ns").mkdir(parents=True)
        (root / "self").symlink_to(str(os.getpid()))
        for name in ("pid", "time"):
            (own / "ns" / name).touch()
        (root / "sys/kernel/random").mkdir(parents=True)
        (root / "sys/kernel/random/boot_id").write_text("b9b77840-5942-4240-aef3-c22b58a405f9\n")
        return root

    return make


def _another_boot(root: Path) -> None:
    (root / "sys/kernel/random/boot_id").write_text("00000000-5942-4240-aef3-c22b58a405f9\n")


def _another_namespace(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        namespace = root / "self/ns" / name
        namespace.rename(root / "former")  # keeps its number in use
        namespace.touch()

    return change


def _no_boot_id(root: Path) -> None:
    (root / "sys/kernel/random/boot_id").unlink()


def _empty_boot_id(root: Path) -> None:
    (root / "sys/kernel/random/boot_id").write_text("\n")


def _proc_of_another_namespace(root: Path) -> None:
    (root / "self").unlink()
    (root / "self").symlink_to("1")


@pytest.mark.parametrize(
    "change", [_another_boot, _another_namespace("pid"), _another_namespace("time")], ids=["boot", "pids", "time"]
)
def test_another_boot_or_namespace_is_another_host(proc: Proc, change: Callable[[Path], None]) -> None:
    root = proc()
    before = process_watch.host_fingerprint(root)
    assert before == process_watch.host_fingerprint(root)
    change(root)
    assert process_watch.host_fingerprint(root) not in {"", before}


@pytest.mark.parametrize("change", [_no_boot_id, _empty_boot_id, _proc_of_another_namespace])
def test_a_host_that_can_not_be_identified_has_no_fingerprint(proc: Proc, change: Callable[[Path], None]) -> None:
    root = proc()
    change(root)
    assert process_watch.host_fingerprint(root) == ""


def test_an_old_kernel_without_time_namespaces_has_a_fingerprint(proc: Proc) -> None:
    root = proc()
    (root / "self/ns/time").unlink()
    assert process_watch.host_fingerprint(root)
