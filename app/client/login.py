"""`watchkeeper login` and `logout`: an API key for this machine, made with a password that is kept nowhere."""

import os
import socket
import sys
from collections.abc import Callable
from getpass import getpass
from typing import Any

from app.client import SUCCESS
from app.client.logins import Login, read, write
from app.client.screen import as_json, say
from app.client.server import Refused, Server, reached

NEEDS_CODE = "TWO_FACTOR_REQUIRED"
Ask = Callable[[str], str]


async def run(url: str, *, email: str, with_token: bool, json: bool, secret: Ask = getpass) -> int:
    """Sign in at a server, and keep an API key for it. Raises Refused, BadSettings.

    with_token  the key is read from stdin, and nothing is made
    """
    if with_token:
        login = await _known(url, Login(sys.stdin.readline().strip()))
    else:
        login = await _made(url, email or _prompt("E-mail or user name: "), secret)
    logins = read(os.environ)
    logins.servers[url], logins.current = login, url
    file = write(logins, os.environ)
    told = {"url": url, "username": login.username, "file": str(file)}
    say(as_json(told) if json else f"Logged in at {url} as {login.username}; the key is in {file}.")
    return SUCCESS


async def leave(url: str, *, json: bool) -> int:
    """Remove the key that `login` made, there and here. Raises Refused, BadSettings."""
    logins = read(os.environ)
    login = logins.servers.pop(url, None)
    if login is None:
        raise Refused(f"nobody is logged in at {url}")
    logins.current = next(iter(logins.servers), "") if logins.current == url else logins.current
    write(logins, os.environ)
    if login.key_id:
        async with reached(url, login.token) as server:
            await server.delete(f"/api-keys/{login.key_id}")
    say(as_json({"url": url}) if json else f"Logged out of {url}.")
    return SUCCESS


def _prompt(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline().strip()
    if not answer:
        raise Refused("no name was given")
    return answer


async def _known(url: str, login: Login) -> Login:
    """The same, with the name of its user: a token that is wrong is found out now."""
    if not login.token:
        raise Refused("no token came on stdin")
    async with reached(url, login.token) as server:
        return Login(login.token, (await server.get("/auth/me"))["username"])


async def _made(url: str, email: str, secret: Ask) -> Login:
    async with reached(url, "") as server:
        signed_in = await _signed_in(server, email, secret)
    async with reached(url, signed_in["access_token"]) as server:
        draft = {"name": f"watchkeeper on {socket.gethostname()}"[:150], "role": signed_in["user"]["role"]}
        key = await server.post("/api-keys", draft)
        await server.post("/auth/logout", None)
    return Login(key["key"], key["username"], key["id"])


async def _signed_in(server: Server, email: str, secret: Ask) -> Any:
    """Sign in, with a code when one is wanted."""
    body = {"email" if "@" in email else "username": email, "password": secret("Password: ")}
    try:
        return await server.post("/auth/login", body)
    except Refused as refused:
        if refused.code != NEEDS_CODE:
            raise
    return await server.post("/auth/login", {**body, "token": secret("One-time or recovery code: ")})
