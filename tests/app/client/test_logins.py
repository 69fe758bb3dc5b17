"""Which server and which account a command uses, whatever the working directory contains."""

import json
import stat
from pathlib import Path
from typing import Any

import pyotp
import pytest

from app import cli
from app.client import login, logins
from app.client.logins import LoginFile, SavedLogin
from app.client.server import CommandFailed, connect
from app.settings import BadSettings
from tests.app.api.running_app import SETUP

pytestmark = pytest.mark.either_engine

PASSWORD = "correct horse"


@pytest.mark.parametrize(
    "values",
    [
        "http://host:8034", "http://host:8034/", "http://host:8034/api/v1", "http://host:8034/api/v1/",
        " http://host:8034/api ",
    ],
)  # fmt: skip
def test_an_address_may_be_the_apis(values: str) -> None:
    assert logins.normalize_url(values) == "http://host:8034"


def test_an_address_may_have_a_path_of_its_own() -> None:
    assert logins.normalize_url("https://host/watch/api/v1") == "https://host/watch"


@pytest.mark.parametrize("values", ["host:8034", "ftp://host", "http://", "host"])
def test_invalid_server_urls_are_rejected(values: str) -> None:
    with pytest.raises(BadSettings, match="must be an address"):
        logins.normalize_url(values)


@pytest.mark.parametrize(
    ("values", "environ", "found"),
    [
        (None, {}, ("http://kept", "kept")),
        ("http://other", {}, ("http://other", "others")),
        ("http://kept/api/v1", {logins.ADMIN_TOKEN_VARIABLE: "admin"}, ("http://kept", "kept")),
        (None, {logins.URL_VARIABLE: "http://other"}, ("http://other", "others")),
        (None, {logins.TOKEN_VARIABLE: "mine"}, ("http://kept", "mine")),
        ("http://strange", {logins.ADMIN_TOKEN_VARIABLE: "admin"}, ("http://strange", "admin")),
    ],
)
def test_server_and_token_precedence(tmp_path: Path, values: str | None, environ: dict[str, str], found: Any) -> None:
    environ["XDG_CONFIG_HOME"] = str(tmp_path)
    logins.write_logins(
        LoginFile("http://kept", {"http://kept": SavedLogin("kept"), "http://other": SavedLogin("others")}), environ
    )
    assert logins.server_and_token(values, environ) == found


def test_a_token_goes_to_no_server_but_its_own(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    logins.write_logins(LoginFile("http://kept", {"http://kept": SavedLogin("kept")}), environ)
    with pytest.raises(BadSettings, match="nobody is logged in at http://strange"):
        logins.server_and_token("http://strange", environ)


def test_the_logins_file_is_accessible_to_its_owner_only(tmp_path: Path) -> None:
    file = logins.write_logins(LoginFile(), {"HOME": str(tmp_path)})
    assert file == tmp_path / ".config" / "watchkeeper" / "logins.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == ["logins.json"]


def test_a_file_that_is_not_ours_is_one_line(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(logins.URL_VARIABLE, raising=False)
    logins.write_logins(LoginFile(), {"XDG_CONFIG_HOME": str(tmp_path)}).write_text("[")
    assert cli.main(["status"]) == 78
    printed = capsys.readouterr().err
    assert "logins.json: can't be read" in printed
    assert printed.count("\n") == 1


async def test_commands_ignore_an_unrelated_env_file(watchkeeper: Any, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "DB_TYPE=mysql\nMODE=production\nLOG_LEVEL=WARNING\nSERVER_PORT=1\nAPI_ADMIN_TOKEN=x\n"
    )
    done = await watchkeeper("status", TZ=":/etc/localtime", MODE="production", DB_TYPE="mysql")
    assert (done.code, done.out, done.err) == (0, "0 monitors\n", "")


async def registered(url: str, **more: str) -> None:
    async with connect(url, "") as server:
        await server.post("/auth/register", {"email": "ada@example.org", "password": PASSWORD, **SETUP, **more})


async def logged_in(url: str, monkeypatch: Any, tmp_path: Path, *secrets: str) -> SavedLogin:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    answers = iter(secrets)
    assert (
        await login.run(
            url, email="ada@example.org", with_token=False, json=True, prompt_secret=lambda _: next(answers)
        )
        == 0
    )
    assert next(answers, None) is None
    return logins.read_logins({"XDG_CONFIG_HOME": str(tmp_path)}).servers[url]


async def test_login_makes_a_key_that_logout_removes(
    url: str, watchkeeper: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    await registered(url)
    login = await logged_in(url, monkeypatch, tmp_path, PASSWORD)
    assert login.username == "ada@example.org" or login.username.startswith("ada")
    ours = {"WATCHKEEPER_TOKEN": "", "WATCHKEEPER_URL": "", "XDG_CONFIG_HOME": str(tmp_path)}
    assert (await watchkeeper("status", **ours)).out == "0 monitors\n"
    sessions = json.loads((await watchkeeper("request", "/sessions", "active=true", "-X", "GET", **ours)).out)
    assert sessions["total"] == 0  # the password's session is over
    assert (await watchkeeper("logout", **ours)).out == f"Logged out of {url}.\n"
    assert (await watchkeeper("status", **ours)).code == 78
    gone = await watchkeeper("status", WATCHKEEPER_TOKEN=login.token)
    assert (gone.code, gone.err.count("\n")) == (3, 1)


async def test_login_requires_a_code_when_one_is_set_up(url: str, monkeypatch: Any, tmp_path: Path) -> None:
    await registered(url)
    async with connect(url, "") as server:
        session = await server.post("/auth/login", {"email": "ada@example.org", "password": PASSWORD})
    async with connect(url, session["access_token"]) as server:
        setup = await server.post("/auth/2fa/setup", {"password": PASSWORD})
        done = await server.post("/auth/2fa/verify", {"token": pyotp.TOTP(setup["secret"]).now()})
    login = await logged_in(url, monkeypatch, tmp_path, PASSWORD, done["recovery_codes"][0])
    assert login.token.startswith("pk_")


async def test_a_wrong_password_keeps_nothing(url: str, monkeypatch: Any, tmp_path: Path) -> None:
    await registered(url)
    with pytest.raises(CommandFailed):
        await logged_in(url, monkeypatch, tmp_path, "wrong horse")
    assert logins.read_logins({"XDG_CONFIG_HOME": str(tmp_path)}) == LoginFile()


async def test_a_key_may_come_on_stdin(watchkeeper: Any, environment: dict[str, str], tmp_path: Path) -> None:
    token = environment["WATCHKEEPER_TOKEN"]
    done = await watchkeeper("login", "--with-token", stdin=f"{token}\n")
    assert done.code == 0, done.err
    assert (await watchkeeper("monitors", "--json", WATCHKEEPER_TOKEN="")).out == "[]\n"
    wrong = await watchkeeper("login", "--with-token", stdin="pk_wrong\n")
    assert (wrong.code, wrong.err.count("\n")) == (3, 1)
