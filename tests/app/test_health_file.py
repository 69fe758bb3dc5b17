"""Processes without a port touch a file while they run; `watchkeeper-health` checks it, or asks the API."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app import health_file
from app.settings import Settings
from tests.app.processes.test_child import until
from tests.app.test_waiting import running
from watchkeeper import health

TOP = Path(__file__).parents[2]


READY = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("command", ["schedule", "work"])
def test_a_process_without_a_port_touches_its_file_though_redis_is_away(
    command: str, environ: dict[str, str], database: Settings, tmp_path: Path
) -> None:
    del database  # migrated
    touched = tmp_path / "alive"
    changed = {**environ, "REDIS_URL": "redis://127.0.0.1:1", "HEALTH_FILE": str(touched)}
    with running(command, changed, tmp_path):
        until(touched.exists)
        os.utime(touched, (0, 0))
        until(lambda: health.is_fresh(str(touched)))


async def test_a_file_that_cannot_be_touched_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_file, "TOUCH_S", 0.0)
    with capture_logs() as logs, suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await health_file.touch_forever(tmp_path / "missing" / "alive")
    assert [(line["event"], line["log_level"]) for line in logs] == [("health_file.write_failed", "warning")]


@pytest.mark.parametrize(("age_s", "fresh"), [(0, True), (25, True), (35, False), (-25, True), (-35, False)])
def test_a_file_is_fresh_when_it_was_touched_lately(tmp_path: Path, age_s: float, *, fresh: bool) -> None:
    touched = tmp_path / "alive"
    touched.touch()
    os.utime(touched, (time.time() - age_s,) * 2)
    assert health.is_fresh(str(touched)) is fresh


def test_a_file_that_is_not_there_is_not_fresh(tmp_path: Path) -> None:
    assert not health.is_fresh(str(tmp_path / "alive"))


Serve = Callable[[bytes], None]


@pytest.fixture
def serve(free_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Answers one request with some bytes where `watchkeeper-health` connects; with none, it hangs up."""
    monkeypatch.setenv("SERVER_PORT", str(free_port))
    monkeypatch.setenv("SERVER_HOST", "0.0.0.0")
    threads = []

    def answer(listener: socket.socket, response: bytes) -> None:
        with listener, listener.accept()[0] as connection:
            assert connection.recv(1024).startswith(b"GET /api/v1/ready HTTP/1.1\r\n")
            connection.sendall(response)

    def start(response: bytes) -> None:
        listener = socket.create_server(("127.0.0.1", free_port))
        threads.append(threading.Thread(target=answer, args=(listener, response)))
        threads[-1].start()

    yield start
    for one in threads:
        one.join()


@pytest.mark.parametrize(
    ("response", "code"), [(READY, 0), (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1), (b"?", 1), (b"", 1)]
)
def test_the_api_is_healthy_when_it_reports_ready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, response: bytes, code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["watchkeeper-health"])
    serve(response)
    assert health.main() == code


def test_an_api_that_is_not_there_is_not_well(serve: Serve) -> None:
    del serve  # its port, without a server
    assert not health.is_ready()


def test_a_health_check_loads_next_to_nothing() -> None:
    script = "import sys; from watchkeeper import health; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-S", "-c", script], cwd=TOP, text=True).split())
    assert "watchkeeper.health" in loaded
    assert not {"app", "asyncio", "http", "json", "pathlib", "re", "ssl", "subprocess", "urllib"} & loaded
