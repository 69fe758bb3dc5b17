"""A child is started again when it dies, ends with its parent, and runs our own code."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.processes import child
from app.processes.child import ChildProcess

ORPHANING = """
import os, sys, time
from app.processes.child import ChildProcess
print(ChildProcess("nap", ["sleep", "600"], dict(os.environ), None).start(), flush=True)
time.sleep(600)
"""


def until(true: Callable[[], bool], within_s: float = 20) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def nap() -> Iterator[ChildProcess]:
    one = ChildProcess("nap", ["sleep", "600"], dict(os.environ), None)
    yield one
    one.send_signal(signal.SIGKILL)
    until(lambda: not one.is_running())


def test_a_child_that_runs_has_not_ended_and_is_not_due(nap: ChildProcess) -> None:
    nap.start()
    assert (nap.is_running(), nap.poll_exit(), nap.is_due()) == (True, None, False)


def test_a_killed_child_reports_how_it_ended_and_is_due_again(nap: ChildProcess) -> None:
    os.kill(nap.start(), signal.SIGKILL)
    until(lambda: not nap.is_running())
    assert nap.poll_exit() == "killed by SIGKILL"
    until(nap.is_due)
    assert nap.poll_exit() is None


def test_a_child_that_had_been_steady_is_due_at_once(nap: ChildProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "STEADY_S", 0.0)
    os.kill(nap.start(), signal.SIGTERM)
    until(lambda: not nap.is_running())
    assert nap.poll_exit() == "killed by SIGTERM"
    assert nap.is_due()


def test_a_child_that_dies_at_once_waits_longer_every_time() -> None:
    one, pauses = ChildProcess("broken", ["false"], dict(os.environ), None), []
    for _ in range(10):
        one.start()
        until(lambda: not one.is_running())
        assert one.poll_exit() == "ended with 1"
        pauses.append(one._pause_s)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_a_child_that_is_killed_from_outside_never_waits_long(nap: ChildProcess) -> None:
    pauses = []
    for _ in range(5):
        os.kill(nap.start(), signal.SIGKILL)
        until(lambda: not nap.is_running())
        assert nap.poll_exit()
        pauses.append(nap._pause_s)
    assert pauses == [0.25, 0.5, 1.0, 1.0, 1.0]


def test_children_end_when_their_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
    until(lambda: not runs(pid))


def test_our_commands_run_this_very_code_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('somebody else')")
    command = child.own_command("--version")
    done = subprocess.run(
        command, cwd=tmp_path, env=child.environment({}), capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout.partition(" ")[0]) == (0, "watchkeeper")
