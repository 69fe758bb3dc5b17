"""Commands on an installation that is stopped, missing, broken or of another version: one line names the error."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app import cli
from app.client import logins
from app.settings import SQLITE_FILE

Prepare = Callable[[Path], object]
Captured = pytest.CaptureFixture[str]

ON_THE_DATABASE = (
    "doctor --history",
    "rotate-key",
    "recover-admin ada@example.org",
    "rotate-signing-key",
    "audit-verify",
)
OVER_THE_API = {
    "listen events": 1,
    "status": 3,
    "monitors": 3,
    "check tcp host=127.0.0.1": 3,
    "tail": 3,
}


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file of this version."""
    place = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("DB_TYPE", "sqlite")
        patch.delenv("DB_NAME", raising=False)
        assert cli.main(["migrate"]) == 0
    return place / "data" / SQLITE_FILE


@pytest.fixture
def place(tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an installation with nothing set would live; nothing is there, and nothing runs."""
    monkeypatch.chdir(tmp_path)
    client = {logins.TOKEN_VARIABLE: "a token", logins.URL_VARIABLE: f"http://127.0.0.1:{free_port}"}
    for name, value in {"DB_TYPE": "sqlite", "SERVER_PORT": str(free_port), **client}.items():
        monkeypatch.setenv(name, value)
    for name in ("DB_NAME", "REDIS_URL", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def stopped(place: Path, migrated: Path) -> Path:
    """One that has run, and is stopped: its database file."""
    (place / "data").mkdir(mode=0o700)
    file = Path(shutil.copy(migrated, place / "data" / SQLITE_FILE))
    file.chmod(0o600)  # as we make it
    return file


def ran(command: str, captured: Captured) -> tuple[int, str, str]:
    captured.readouterr()
    exit_code = cli.main(command.split())
    return exit_code, *captured.readouterr()


def changed(sql: str) -> Prepare:
    def prepare(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(sql)

    return prepare


def filled(content: bytes) -> Prepare:
    return lambda file: file.write_bytes(content)


ANOTHER = "INSERT INTO migration (name, app_name) VALUES ('2099-01-01T00:00:00:0', 'watchkeeper')"
ONE_LESS = "DELETE FROM migration WHERE id = (SELECT max(id) FROM migration)"
UNUSABLE: dict[str, tuple[Prepare, str]] = {
    "missing": (Path.unlink, "there is no database {file}: `watchkeeper migrate` makes one."),
    "empty": (filled(b""), "The database is older than this version of Watchkeeper: run `watchkeeper migrate`."),
    "older": (changed(ONE_LESS), "The database is older than this version of Watchkeeper: run `watchkeeper migrate`."),
    "newer": (changed(ANOTHER), "it has migration 2099-01-01T00:00:00:0,"),
    "no database": (filled(b"words " * 1_000), "{file} can't be used: file is not a database"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_database_that_cannot_be_used_is_one_line_for_every_command(
    stopped: Path, what: str, capsys: Captured
) -> None:
    prepare, expected = UNUSABLE[what]
    prepare(stopped)
    before = sorted(stopped.parent.iterdir())
    for command in ON_THE_DATABASE:
        exit_code, out, err = ran(command, capsys)
        assert (exit_code, out, err.count("\n")) == (78, "", 1), command
        assert err.startswith("watchkeeper: ")
        assert expected.format(file=stopped) in err
    exit_code, out, err = ran("doctor", capsys)
    assert (exit_code, err) == (1, "")
    assert out.startswith("database: ")
    assert expected.format(file=stopped) in out.splitlines()[0]
    assert sorted(stopped.parent.iterdir()) == before, "a command that refuses leaves nothing behind"


def test_a_database_server_that_is_away_is_one_line_for_every_command(
    stopped: Path, free_port: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    away = {"DB_TYPE": "postgres", "DB_HOST": "localhost", "DB_PORT": str(free_port), "DB_NAME": "n", "DB_USER": "u"}
    for name, value in away.items():
        monkeypatch.setenv(name, value)
    for command in ON_THE_DATABASE:
        exit_code, out, err = ran(command, capsys)
        assert (exit_code, out, err.count("\n")) == (75, "", 1), command
        assert err.startswith("watchkeeper: the database does not answer: ")
    exit_code, out, _ = ran("doctor", capsys)
    assert [exit_code, *(line.partition(":")[0] for line in out.splitlines())] == [1, "database", "not running"]


@pytest.mark.parametrize("role", ["", " --role worker"])
def test_doctor_prints_in_one_line_that_a_stopped_system_does_not_run(
    stopped: Path, role: str, capsys: Captured
) -> None:
    at = stopped.with_name("valkey.sock")
    message = f"not running: nothing answers at {at}; `watchkeeper up` starts everything\n"
    assert ran(f"doctor{role}", capsys) == (1, message, "")


def test_doctor_prints_it_too_when_redis_runs_without_processes(
    stopped: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    message = "not running: no process has given a sign; `watchkeeper up` starts everything\n"
    assert ran("doctor", capsys) == (1, message, "")


@pytest.mark.parametrize("url", ["redis://localhost:{port}/0", "unix:///tmp/wk-nobody-listens-here.sock"])
def test_a_redis_that_is_away_is_one_line(
    stopped: Path, free_port: int, url: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("REDIS_URL", url.format(port=free_port))
    exit_code, out, err = ran("doctor", capsys)
    assert (exit_code, out.count("\n"), err) == (1, 1, "")
    assert out.startswith("redis: ")


@pytest.mark.parametrize("command", OVER_THE_API)
def test_a_server_that_is_not_there_is_one_line(stopped: Path, free_port: int, command: str, capsys: Captured) -> None:
    exit_code, out, err = ran(command, capsys)
    assert (exit_code, out) == (OVER_THE_API[command], "")
    done = "listened to" if command == "listen events" else "asked"
    assert err == f"watchkeeper: http://127.0.0.1:{free_port} can't be {done}: Connection refused\n"


def test_database_commands_run_on_a_stopped_system(stopped: Path, capsys: Captured) -> None:
    exits = {command: ran(command, capsys)[0] for command in ON_THE_DATABASE}
    assert exits == {**dict.fromkeys(ON_THE_DATABASE, 0), "recover-admin ada@example.org": 1}  # there is no such user
