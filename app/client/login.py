"""`watchkeeper login` and `logout`: create and remove an API key for this machine. The password is not stored."""

import os
import socket
import sys
from collections.abc import Callable
from getpass import getpass
from typing import Any

from app.client import SUCCESS
from app.client.logins import SavedLogin, read_logins, write_logins
from app.client.screen import as_json, print_line
from app.client.server import ApiClient, CommandFailed, connect

NEEDS_CODE = "TWO_FACTOR_REQUIRED"
Prompt = Callable[[str], str]


async def run(url: str, *, email: str, with_token: bool, json: bool, prompt_secret: Prompt = getpass) -> int:
    """Sign in at a server and save an API key for it. Raises CommandFailed, BadSettings.

    with_token  read an existing key from stdin instead of creating one
    """
    if with_token:
        login = await _with_username(url, SavedLogin(sys.stdin.readline().strip()))
    else:
        login = await _create_key(url, email or _prompt("E-mail or user name: "), prompt_secret)
    logins = read_logins(os.environ)
    logins.servers[url], logins.current = login, url
    file = write_logins(logins, os.environ)
    summary = {"url": url, "username": login.username, "file": str(file)}
    print_line(as_json(summary) if json else f"Logged in at {url} as {login.username}; the key is in {file}.")
    return SUCCESS


async def log_out(url: str, *, json: bool) -> int:
    """Delete the key that `login` created, at the server and here. Raises CommandFailed, BadSettings."""
    logins = read_logins(os.environ)
    login = logins.servers.pop(url, None)
    if login is None:
        raise CommandFailed(f"nobody is logged in at {url}")
    logins.current = next(iter(logins.servers), "") if logins.current == url else logins.current
    write_logins(logins, os.environ)
    if login.key_id:
        async with connect(url, login.token) as api:
            await api.delete(f"/api-keys/{login.key_id}")
    print_line(as_json({"url": url}) if json else f"Logged out of {url}.")
    return SUCCESS


def _prompt(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if not answer:
        raise CommandFailed("no name was given")
    return answer


async def _with_username(url: str, login: SavedLogin) -> SavedLogin:
    """The login with its user's name; the request also verifies the token."""
    if not login.token:
        raise CommandFailed("no token came on stdin")
    async with connect(url, login.token) as api:
        return SavedLogin(login.token, (await api.get("/auth/me"))["username"])


async def _create_key(url: str, email: str, prompt_secret: Prompt) -> SavedLogin:
    async with connect(url, "") as api:
        session = await _sign_in(api, email, prompt_secret)
    async with connect(url, session["access_token"]) as api:
        draft = {"name": f"watchkeeper on {socket.gethostname()}"[:150], "role": session["user"]["role"]}
        key = await api.post("/api-keys", draft)
        await api.post("/auth/logout", None)
    return SavedLogin(key["key"], key["username"], key["id"])


async def _sign_in(api: ApiClient, email: str, prompt_secret: Prompt) -> Any:
    """Sign in, with a code if a second factor is required."""
    body = {"email" if "@" in email else "username": email, "password": prompt_secret("Password: ")}
    try:
        return await api.post("/auth/login", body)
    except CommandFailed as error:
        if error.code != NEEDS_CODE:
            raise
    return await api.post("/auth/login", {**body, "token": prompt_secret("One-time or recovery code: ")})
