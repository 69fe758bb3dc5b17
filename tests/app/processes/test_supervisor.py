"""`watchkeeper up` as a whole: it starts, restarts what is killed, and stops in order."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import setup_token
from app.processes import child, supervisor
from app.settings import Settings

ROOT = Path(__file__).parents[3]
LINE = re.compile(r"^(valkey|api|scheduler|worker) +pid (\d+)$", re.MULTILINE)


class Up:
    """A running `up`, with its output."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self._output_path = directory / "said"
        self.url = f"http://127.0.0.1:{environ['SERVER_PORT']}"
        with self._output_path.open("w") as output:
            ours = child.environment({"PATH": os.environ["PATH"], **environ})
            self.process = subprocess.Popen(
                child.own_command("up"), cwd=directory, env=ours, stdout=output, stderr=output
            )

    def output(self) -> str:
        return self._output_path.read_text()

    def pids(self) -> dict[str, int]:
        """The newest of each name."""
        return {name: int(pid) for name, pid in LINE.findall(self.output())}

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/ready", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def until(self, true: Callable[[], bool], within_s: float = 40) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)


@pytest.fixture
def up(tmp_path: Path, environ: dict[str, str]) -> Iterator[Up]:
    """The embedded default, ready."""
    ours = {
        name: value for name, value in environ.items() if name in {"DATA_DIR", "SERVER_HOST", "SERVER_PORT", "MODE"}
    }
    one = Up(tmp_path, ours)
    one.until(lambda: "\nready " in one.output())
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.wait()


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").exists()


def test_up_heals_whatever_is_killed_and_leaves_nothing_behind(up: Up, tmp_path: Path) -> None:
    first = up.pids()
    assert set(first) == {"valkey", "api", "scheduler", "worker"}
    assert up.is_ready()
    for pid in first.values():
        os.kill(pid, signal.SIGKILL)
    up.until(lambda: not set(up.pids().values()) & set(first.values()) and len(up.pids()) == 4)
    up.until(up.is_ready)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(timeout=45) == 0
    assert up.output().rstrip().endswith("everything")
    assert not any(runs(pid) for pid in up.pids().values())
    assert (tmp_path / "data" / "watchkeeper.sqlite3").exists()


def test_the_set_up_token_is_printed_and_not_logged(up: Up, tmp_path: Path) -> None:
    token = (tmp_path / "data" / setup_token.FILE_NAME).read_text().strip()
    assert up.output().count(f'"setup_token": "{token}"') == 1
    assert token not in (tmp_path / "data" / "logs" / "watchkeeper.log").read_text()


def test_created_files_are_accessible_to_their_owner_only(up: Up, tmp_path: Path) -> None:
    data = tmp_path / "data"
    made = [data, *data.rglob("*")]
    assert {"watchkeeper.sqlite3", "watchkeeper.sqlite3-wal", "watchkeeper.sqlite3-shm"} <= {one.name for one in made}
    assert {"watchkeeper.log", "watchkeeper.lock", "secret.key", "valkey.log"} <= {one.name for one in made}
    assert [one for one in made if one.lstat().st_mode & 0o077] == []
    assert "open to others" not in up.output()


def test_a_data_directory_open_to_others_is_reported_and_restricted(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    one = Up(tmp_path, {name: environ[name] for name in ("DATA_DIR", "SERVER_PORT", "MODE")})
    try:
        one.until(lambda: f"warning    {tmp_path / 'data'} is open to others" in one.output())
        one.until(lambda: "\nready " in one.output())
        assert [file for file in (tmp_path / "data").rglob("*") if file.lstat().st_mode & 0o077] == []
    finally:
        one.process.send_signal(signal.SIGTERM)
        one.process.wait()


def test_a_removed_log_directory_is_recreated_without_stopping_a_process(up: Up, tmp_path: Path) -> None:
    first, file = up.pids(), tmp_path / "data" / "logs" / "watchkeeper.log"
    shutil.rmtree(file.parent)
    os.kill(first["worker"], signal.SIGKILL)
    up.until(lambda: file.exists() and "worker.started" in file.read_text())
    assert up.is_ready()
    again = up.pids()
    assert {name for name, pid in again.items() if pid != first[name]} == {"worker"}
    assert file.samefile(f"/proc/{again['worker']}/fd/1")  # what it prints besides is not lost, either


def test_a_closed_terminal_stops_no_process() -> None:
    script = (
        "import sys; from app.processes import supervisor as it; sys.stdin.read();"
        "it.print_line('a', 'b'); it.print_line('c', 'd')"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    _, output = process.communicate(b"")
    assert (process.returncode, output) == (0, b"")


def test_all_processes_end_after_their_parent_is_killed(up: Up) -> None:
    pids = up.pids().values()
    up.process.kill()
    up.process.wait()
    deadline = time.monotonic() + 20
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")],
)
def test_the_printed_address_can_be_opened_in_a_browser(settings: Settings, host: str, url: str) -> None:
    assert supervisor.local_url(replace(settings, server_host=host, server_port=80)) == url
