"""`watchkeeper listen`: what it can't do is one line. That it prints live messages, `tests/test_readme.py` shows."""

from pathlib import Path

import pytest

from app import cli
from app.client import listen, logins


def test_without_a_token_it_names_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in (logins.URL_VARIABLE, logins.TOKEN_VARIABLE, logins.ADMIN_TOKEN_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert cli.main(["listen", "events"]) == 78
    message = (
        "nobody is logged in at http://127.0.0.1:8034: run `watchkeeper login`, or set WATCHKEEPER_TOKEN to an API key"
    )
    assert capsys.readouterr().err == f"watchkeeper: {message}\n"


async def test_a_server_that_is_not_there_is_one_line(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port}"
    assert await listen.run(url, "x", ["events"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"watchkeeper: {url} can't be listened to: ")
    assert printed.count("\n") == 1
