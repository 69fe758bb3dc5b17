"""`watchkeeper listen`: what it can't do is one line. That it prints live messages, `tests/test_readme.py` shows."""

import pytest

from app import cli, listen


def test_without_a_token_it_says_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(cli.TOKEN, raising=False)
    assert cli.main(["listen", "events"]) == 78
    assert capsys.readouterr().err.startswith(f"watchkeeper: {cli.TOKEN}: must hold an access token")


async def test_a_server_that_is_not_there_is_one_line(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port}"
    assert await listen.run(url, "x", ["events"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"watchkeeper: {url} can't be listened to: ")
    assert told.count("\n") == 1
