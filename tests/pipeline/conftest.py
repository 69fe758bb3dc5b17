"""Fixtures for tests with real processes, a real Valkey and a real database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.security.secrets import sealing
from app.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def prepared_settings(store: Settings, queue: Settings) -> Settings:
    """The database and Redis, opened in this process too."""
    sealing.prepare(store)
    return store


@pytest.fixture
def spawn(environ, database) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts one of our processes, as `watchkeeper <command>`; all are stopped at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *command], env={**os.environ, **environ}, cwd=ROOT, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
