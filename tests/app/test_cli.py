"""The commands: each error is one line, and the exit code states its kind."""

import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import redis

from app import cli, nodes
from app.client.arguments import USAGE_EXIT
from app.domain.alerting import vapid
from app.processes import child
from app.settings import Settings

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def watchkeeper(tmp_path: Path, environ: dict[str, str]) -> Run:
    """Runs a command as people do; keywords change the environment."""

    def run(*arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        ours = child.environment({"PATH": os.environ["PATH"], **environ, **changes})
        command = child.own_command(*arguments)
        return subprocess.run(command, cwd=tmp_path, env=ours, capture_output=True, text=True, timeout=50, check=False)

    return run


def test_wrong_variables_are_all_named_and_the_exit_code_is_78(watchkeeper: Run) -> None:
    done = watchkeeper("up", DB_TYPE="mongo", SERVER_PORT="x", MODE="fast")
    assert done.returncode == 78
    assert done.stdout == ""
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == ["SERVER_PORT", "MODE", "DB_TYPE"]


@pytest.mark.parametrize("command", ["api", "schedule", "work", "migrate", "doctor", "audit-verify"])
def test_every_command_refuses_wrong_variables(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODE", "fast")
    assert cli.main([command]) == 78
    assert capsys.readouterr().err == "watchkeeper: MODE: must be one of dev, prod, test, not 'fast'\n"


def test_a_busy_port_is_one_clear_line(watchkeeper: Run, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.server_port)):
        done = watchkeeper("up")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == (
        f"watchkeeper: SERVER_PORT: can't listen on 127.0.0.1:{settings.server_port}: Address already in use\n"
    )


def test_migrate_prints_what_it_did_and_does_it_once(watchkeeper: Run) -> None:
    first, second = (
        watchkeeper("migrate", DB_TYPE="sqlite", DB_NAME=""),
        watchkeeper("migrate", DB_TYPE="sqlite", DB_NAME=""),
    )
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout.startswith("migrate    0001_initial")
    assert second.stdout == "migrate    nothing to do\n"


def test_a_database_newer_than_the_code_is_one_clear_line(watchkeeper: Run, settings: Settings) -> None:
    lite = {"DB_TYPE": "sqlite", "DB_NAME": str(settings.data_dir / "newer.db")}
    watchkeeper("migrate", **lite)
    with sqlite3.connect(lite["DB_NAME"]) as connection:
        connection.execute("INSERT INTO migration (name, app_name) VALUES ('2099-01-01T00:00:00:0', 'watchkeeper')")
    connection.close()
    done = watchkeeper("migrate", **lite)
    assert done.returncode == 78
    assert "created by another version of Watchkeeper: it has migration 2099-01-01T00:00:00:0," in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_no_database_is_one_clear_line(watchkeeper: Run, tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("words " * 1000)
    done = watchkeeper("migrate", DB_TYPE="sqlite", DB_NAME="no.db")
    assert done.returncode == 78
    assert done.stderr == f"watchkeeper: DB_NAME: {tmp_path / 'no.db'} can't be used: file is not a database\n"


def test_a_database_that_is_away_is_worth_another_try(watchkeeper: Run, free_port: int) -> None:
    server = {"DB_TYPE": "postgres", "DB_HOST": "127.0.0.1", "DB_PORT": str(free_port), "DB_NAME": "n", "DB_USER": "u"}
    done = watchkeeper("migrate", **server)
    assert done.returncode == 75
    assert done.stderr.startswith("watchkeeper: the database does not answer: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def running(redis_url: str) -> None:
    """An api on this machine that has given a sign of life."""
    node = nodes.this_node("api")
    with redis.Redis.from_url(redis_url) as client:
        client.set(nodes.KEY + node.id, msgspec.json.encode(node))


def test_doctor_finds_nothing_where_all_is_well(watchkeeper: Run, database: Settings, running: None) -> None:
    done = watchkeeper("doctor")
    assert (done.returncode, done.stdout) == (0, "all well\n")


def test_doctor_misses_a_process_that_gives_no_sign(watchkeeper: Run, database: Settings, running: None) -> None:
    done = watchkeeper("doctor", "--role", "worker")
    assert (done.returncode, done.stdout) == (1, "worker: no such process has given a sign on this machine\n")


def test_doctor_reports_that_redis_is_away(watchkeeper: Run, database: Settings, free_port: int) -> None:
    done = watchkeeper("doctor", REDIS_URL=f"redis://127.0.0.1:{free_port}")
    assert done.returncode == 1
    assert done.stdout.startswith("redis: ")


def test_an_empty_history_is_whole(watchkeeper: Run, database: Settings) -> None:
    done = watchkeeper("doctor", "--history", "--settle", "0")
    assert done.returncode == 0
    assert done.stdout.startswith("missing 0, doubled 0 of 0 slots")


@pytest.mark.parametrize("arguments", [[], ["fly"], ["work", "--queues", "check,tell"], ["work", "--queues", ","]])
def test_unknown_commands_and_queues_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == USAGE_EXIT
    assert "usage: watchkeeper" in capsys.readouterr().err


def test_a_command_that_is_nearly_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["statsu"])
    assert "there is no command 'statsu': did you mean 'status'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "http", "--json", "url=http://a", "--url", "http://b"],
        ["--json", "--url", "http://b", "check", "http", "url=http://a"],
        ["--url=http://b", "check", "--json", "http", "url=http://a"],
        ["check", "--url", "http://b", "http", "url=http://a", "--json"],
    ],
)
def test_options_may_stand_anywhere(arguments: list[str]) -> None:
    chosen = cli.parse_arguments(arguments)
    assert (chosen.type, chosen.config, chosen.url, chosen.json) == ("http", ["url=http://a"], "http://b", True)


def test_a_key_for_web_push_comes_with_what_browsers_subscribe_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["webpush-key"]) == 0
    (_, private), (_, public) = (line.split() for line in capsys.readouterr().out.splitlines())
    assert vapid.public_key_for(private) == public


def test_queues_are_a_list_of_names() -> None:
    assert cli.parse_arguments(["work", "--queues", "ingest, notify"]).queues == ("ingest", "notify")
    assert cli.parse_arguments(["work"]).queues == cli.QUEUES
