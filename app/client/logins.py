"""Which server a command asks, and who it is there: from its options, the environment, or an earlier `login`.

Nothing else is read: a command must run in any directory, whatever `.env` of somebody else is there.
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
DEFAULT_URL = "http://127.0.0.1:8034"  # where `watchkeeper up` serves when nothing is set
API_SUFFIXES = ("/api/v1", "/api")  # people copy the API's address


class SavedLogin(Struct, frozen=True):
    """Who we are at one server. `key_id` is the API key's, for `logout`; empty for a token that was given."""

    token: str
    username: str = ""
    key_id: str = ""


class LoginFile(Struct):
    """What `login` keeps: who we are at each server, and which one is meant when nobody says."""

    current: str = ""
    servers: dict[str, SavedLogin] = {}


def normalize_url(url: str) -> str:
    """A server's address without the API's path. Raises BadSettings for what is no address."""
    address = url.strip().rstrip("/")
    for end in API_SUFFIXES:
        address = address.removesuffix(end).rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise BadSettings([f"{URL_VARIABLE}: must be an address such as https://watch.example.org, not {url!r}"])
    return address


def file_path(environ: Mapping[str, str]) -> Path:
    """The file that `login` writes."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".config")
    return Path(home) / "watchkeeper" / "logins.json"


def read_logins(environ: Mapping[str, str]) -> LoginFile:
    """What is kept. Raises BadSettings for a file that can't be read."""
    file = file_path(environ)
    try:
        return msgspec.json.decode(file.read_bytes(), type=LoginFile)
    except FileNotFoundError:
        return LoginFile()
    except (OSError, msgspec.MsgspecError) as error:
        raise BadSettings([f"{file}: can't be read ({error}): mend it, or remove it and log in again"]) from error


def write_logins(logins: LoginFile, environ: Mapping[str, str]) -> Path:
    """Keep it, for its owner's eyes only; returns where. Raises BadSettings."""
    file = file_path(environ)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=file.parent, prefix=".logins-", delete=False) as new:  # 0600 from the beginning
            new.write(msgspec.json.format(msgspec.json.encode(logins), indent=2))
        Path(new.name).replace(file)
    except OSError as error:
        raise BadSettings([f"{file}: can't be written: {error.strerror}"]) from error
    return file


def server_url(given: str | None, environ: Mapping[str, str]) -> str:
    """The server that is meant. Raises BadSettings."""
    return normalize_url(given or environ.get(URL_VARIABLE) or read_logins(environ).current or DEFAULT_URL)


def server_and_token(given: str | None, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The server's address, and the token for it: one of a login goes to its own server only. Raises BadSettings."""
    url = server_url(given, environ)
    if token := environ.get(TOKEN_VARIABLE):
        return url, token
    if login := read_logins(environ).servers.get(url):
        return url, login.token
    if token := environ.get(ADMIN_TOKEN_VARIABLE):
        return url, token
    raise BadSettings([f"nobody is logged in at {url}: run `watchkeeper login`, or set {TOKEN_VARIABLE} to an API key"])
