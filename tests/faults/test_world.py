import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from bench.faults.options import Options
from bench.faults.postgres import Cluster
from bench.faults.world import run
from bench.faults.world.clock import Clock, NoCompiler
from bench.faults.world.stage import Flip, arrival_ms
from bench.receiver import Delivery

READ_CLOCKS = """
import datetime, time
while input():
    print(time.time(), datetime.datetime.now().timestamp(), time.time_ns() / 1e9, time.monotonic(), flush=True)
"""
HOUR_S, NEAR_S = 3_600.0, 300.0
SHORT = {
    "clock 1 h ahead and back", "worker paused for 6 s", "everything paused for 6 s", "log directory gone for a while",
    "wk:due:1 of a wrong type", "Valkey's manifest emptied",
}  # fmt: skip

Read = Callable[[], list[float]]


def chosen(**more: object) -> list[str]:
    options = Options(rounds=1, outage_s=1, lock_s=1, seed=1)
    return [one.name for one in run.chosen(msgspec.structs.replace(options, **more))]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not here: apt-get install gcc libc6-dev")
    return Clock(tmp_path)


@pytest.fixture
def apart_s(clock: Clock) -> Iterator[Read]:
    """Reads how far the clocks of a running process are from ours: three wall clocks, then the monotonic one."""
    command, environ = [sys.executable, "-c", READ_CLOCKS], {**os.environ, **clock.environ}
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin, process.stdout

        def read() -> list[float]:
            into.write("go\n")
            into.flush()
            *walls, monotonic = map(float, out.readline().split())
            return [*(wall - time.time() for wall in walls), monotonic - time.monotonic()]

        yield read
        into.write("\n")


def test_the_wall_clock_jumps_while_a_process_runs_and_the_monotonic_one_does_not(clock: Clock, apart_s: Read) -> None:
    assert apart_s() == pytest.approx([0, 0, 0, 0], abs=NEAR_S)
    clock.shift(HOUR_S)
    assert apart_s() == pytest.approx([HOUR_S, HOUR_S, HOUR_S, 0], abs=NEAR_S)
    clock.shift(0)
    assert apart_s() == pytest.approx([0, 0, 0, 0], abs=NEAR_S)


async def test_a_clock_shift_is_recorded_with_its_times_and_offset(clock: Clock) -> None:
    async with clock.ahead(HOUR_S):
        assert clock.shifts[-1].to_ms == float("inf")
    (shift,) = clock.shifts
    assert shift.from_ms <= shift.to_ms <= time.time() * 1000
    assert shift.offset_ms == HOUR_S * 1000


def test_without_a_compiler_it_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCompiler, match="install gcc and libc6-dev"):
        Clock(tmp_path)


def test_a_short_run_has_one_fault_of_each_kind() -> None:
    assert set(chosen(is_short=True)) == SHORT
    assert set(chosen()) > SHORT


def test_postgresql_has_faults_of_its_own(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    assert set(chosen(cluster=cluster)).isdisjoint(chosen())
    assert set(chosen(cluster=cluster, is_short=True)) < set(chosen(cluster=cluster))


def test_faults_are_selected_by_part_of_their_name() -> None:
    assert chosen(only="manifest") == ["Valkey's manifest emptied", "Valkey's manifest overwritten"]


def test_faults_have_names_of_their_own() -> None:
    assert len(set(chosen())) == len(chosen())


FLIP = Flip(3, 1_000.0, up=False)


@pytest.mark.parametrize(
    ("arrived", "at_ms"),
    [
        ([], None),
        ([("monitor.down", "t-3", 900.0)], None),  # of an outage before
        ([("monitor.up", "t-3", 1_200.0), ("monitor.down", "t-4", 1_300.0)], None),
        ([("monitor.down", "t-3", 1_700.0), ("monitor.down", "t-3", 1_400.0)], 1_400.0),
    ],
)
def test_a_flip_is_alerted_by_the_first_message_of_its_kind_after_it(arrived, at_ms):
    deliveries = [Delivery("key", event, name, 0.0, when) for event, name, when in arrived]
    assert arrival_ms(FLIP, deliveries) == at_ms
