"""Finds a command's server and token: from its options, the environment, or the file that `login` saved.

No `.env` file is read: a command must run in any directory.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from app.settings import BadSettings

URL_VARIABLE, TOKEN_VARIABLE = "WATCHKEEPER_URL", "WATCHKEEPER_TOKEN"
ADMIN_TOKEN_VARIABLE = "API_ADMIN_TOKEN"  # noqa: S105  # the same
DEFAULT_URL = "http://127.0.0.1:8034"  # the default address of `watchkeeper up`
API_SUFFIXES = ("/api/v1", "/api")  # people paste the API's address


class SavedLogin(Struct, frozen=True):
    """A login at one server. `key_id` is for `logout`; empty if `login` did not create the key."""

    token: str
    username: str = ""
    key_id: str = ""


class LoginFile(Struct):
    """The content of the saved file: the login at each server, and the current server as the default."""

    current: str = ""
    servers: dict[str, SavedLogin] = {}


def normalize_url(url: str) -> str:
    """A server's address without the API's path. Raises BadSettings if it is not an address."""
    address = url.strip().rstrip("/")
    for suffix in API_SUFFIXES:
        address = address.removesuffix(suffix).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise BadSettings([f"{URL_VARIABLE}: must be an address such as https://watch.example.org, not {url!r}"])
    return address


def file_path(environ: Mapping[str, str]) -> Path:
    """The path of the file that `login` writes."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".config")
    return Path(home) / "watchkeeper" / "logins.json"


def read_logins(environ: Mapping[str, str]) -> LoginFile:
    """The saved logins. Raises BadSettings if the file can't be read."""
    file = file_path(environ)
    try:
        return msgspec.json.decode(file.read_bytes(), type=LoginFile)
    except FileNotFoundError:
        return LoginFile()
    except (OSError, msgspec.MsgspecError) as error:
        raise BadSettings([f"{file}: can't be read ({error}): mend it, or remove it and log in again"]) from error


def write_logins(logins: LoginFile, environ: Mapping[str, str]) -> Path:
    """Save the logins, readable by the owner only; returns the path. Raises BadSettings."""
    file = file_path(environ)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(
            dir=file.parent, prefix=".logins-", delete=False
        ) as temporary:  # created with mode 0600
            temporary.write(msgspec.json.format(msgspec.json.encode(logins), indent=2))
        Path(temporary.name).replace(file)
    except OSError as error:
        raise BadSettings([f"{file}: can't be written: {error.strerror}"]) from error
    return file


def server_url(given: str | None, environ: Mapping[str, str]) -> str:
    """The chosen or default server. Raises BadSettings."""
    return normalize_url(given or environ.get(URL_VARIABLE) or read_logins(environ).current or DEFAULT_URL)


def server_and_token(given: str | None, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The server's address and token. A saved token is used for its own server only. Raises BadSettings."""
    url = server_url(given, environ)
    if token := environ.get(TOKEN_VARIABLE):
        return url, token
    if login := read_logins(environ).servers.get(url):
        return url, login.token
    if token := environ.get(ADMIN_TOKEN_VARIABLE):
        return url, token
    raise BadSettings([f"nobody is logged in at {url}: run `watchkeeper login`, or set {TOKEN_VARIABLE} to an API key"])
