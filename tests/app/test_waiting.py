"""A process started before its database waits for it, logs that once, and loses no work."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.processes import child
from app.settings import SQLITE_FILE
from tests.app.processes.test_child import until


@contextmanager
def running(command: str, environ: dict[str, str], directory: Path) -> Iterator[Path]:
    """One of our processes; yields the file with what it prints. Asked to stop, it ends with 0."""
    output = directory / "output"
    ours = child.environment({"PATH": os.environ["PATH"], **environ})
    with (
        output.open("w") as out,
        subprocess.Popen(child.own_command(command), cwd=directory, env=ours, stdout=out) as process,
    ):
        try:
            yield output
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("command", ["schedule", "work"])
def test_a_process_waits_for_a_database_that_is_not_migrated_yet(
    command: str, environ: dict[str, str], tmp_path: Path
) -> None:
    touched = tmp_path / "alive"
    changed = {**environ, "DB_TYPE": "sqlite", "DB_NAME": "", "HEALTH_FILE": str(touched)}
    ours = child.environment({"PATH": os.environ["PATH"], **changed})
    with running(command, changed, tmp_path) as output:
        until(lambda: "database.waiting" in output.read_text())
        assert not touched.exists()
        assert subprocess.run(child.own_command("migrate"), cwd=tmp_path, env=ours, check=False).returncode == 0
        until(touched.exists)
    assert ".started" in output.read_text()


@pytest.mark.parametrize("command", ["schedule", "work"])
def test_a_process_that_waits_for_its_database_stops_on_a_signal(
    command: str, environ: dict[str, str], tmp_path: Path
) -> None:
    away = {"DB_TYPE": "postgres", "DB_HOST": "127.0.0.1", "DB_PORT": "1", "DB_NAME": "n", "DB_USER": "u"}
    with running(command, {**environ, **away}, tmp_path) as output:
        until(lambda: "database.waiting" in output.read_text())
    assert ".started" not in output.read_text()


def test_migrate_waits_for_a_database_that_is_held(environ: dict[str, str], tmp_path: Path) -> None:
    changed = {**environ, "DB_TYPE": "sqlite", "DB_NAME": "", "DATA_DIR": str(tmp_path)}
    ours = child.environment({"PATH": os.environ["PATH"], **changed})
    output = tmp_path / "output"
    with closing(sqlite3.connect(tmp_path / SQLITE_FILE)) as held, output.open("w") as out:
        held.execute("BEGIN EXCLUSIVE")
        process = subprocess.Popen(
            child.own_command("migrate", "--wait"), cwd=tmp_path, env=ours, stdout=out, stderr=out
        )
        until(lambda: "the database does not answer: database is locked" in output.read_text())
        held.rollback()
        assert process.wait(50) == 0
    assert output.read_text().count("does not answer") == 1
    assert "migrate    0001_initial" in output.read_text()
