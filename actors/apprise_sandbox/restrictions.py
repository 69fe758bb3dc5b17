"""The bars: limits of the process, and an audit hook that lets nothing out. Once set, neither can be taken away.

A hook holds back what our own code, Apprise and its services would do by mistake or on behalf of an address that
somebody wrote; it is no wall against native code that means harm.
"""

import resource
import sys
import sysconfig
import zoneinfo
from pathlib import Path
from typing import Any

MEMORY_BYTES = 768 * 1_048_576  # of address space; Apprise with one service uses some 35 MB of memory
CPU_S = 60  # in all its life of a hundred messages, each of which takes some milliseconds
MAX_FILES = 64

DENIED_EVENTS = (  # what is refused, by the beginning of its audit event's name
    "socket.", "ssl.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.kill", "os.killpg", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod",
    "os.chown", "os.truncate", "os.listdir", "os.scandir", "os.putenv", "os.setxattr", "os.utime", "pty.", "shutil.",
    "ctypes.", "mmap.", "fcntl.", "tempfile.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "nntplib.", "telnetlib.",
    "urllib.", "webbrowser.", "sqlite3.", "syslog.", "winreg.", "signal.",
)  # fmt: skip
IMPORT_EVENTS = frozenset({"os.listdir", "os.scandir"})  # by imports, within the libraries

denied: list[str] = []  # what was refused since somebody last looked


class SandboxAccessDenied(PermissionError):  # noqa: N818  # a fact; services handle it as any file they may not read
    """The bars held this back."""


def set_limits() -> None:
    """Bound memory, time, files; nothing may be written to any of them."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def deny_access() -> None:
    """From here on nothing is opened, connected or started."""
    readable = _libraries()
    # Where nothing may be read nothing is looked for either: imports list a folder again whenever it was changed.
    sys.path[:] = [one for one in sys.path if f"{Path(one).resolve()}/".startswith(readable)]

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            _deny_unless(_is_reading(arguments) and _is_in(arguments[0], readable), event)
        elif event in IMPORT_EVENTS:
            _deny_unless(_is_in(arguments[0], readable), event)
        elif event.startswith(DENIED_EVENTS):
            _deny_unless(False, event)

    sys.addaudithook(look)


def _deny_unless(allowed: bool, event: str) -> None:  # noqa: FBT001  # a question answered
    if not allowed:
        denied.append(event)
        raise SandboxAccessDenied(f"{event} is not possible in here")


def _is_reading(arguments: tuple[Any, ...]) -> bool:
    """By the mode, or by the flags where there is none."""
    _, mode, flags = arguments
    return not set(mode) & set("wax+") if isinstance(mode, str) else not flags & 0o3


def _is_in(path: Any, places: tuple[str, ...]) -> bool:
    """Whether a path is below one of the places; numbers are descriptors that are open already."""
    if isinstance(path, bytes):
        path = path.decode(errors="replace")
    return isinstance(path, str) and str(Path(path).resolve()).startswith(places)


def _libraries() -> tuple[str, ...]:
    """Where modules and time zones are read from."""
    named = {sysconfig.get_path(one) for one in ("stdlib", "platstdlib", "purelib", "platlib")}
    places = [*named, *map(str, zoneinfo.TZPATH), str(Path(__file__).parent)]
    return tuple(f"{Path(one).resolve()}/" for one in places)
