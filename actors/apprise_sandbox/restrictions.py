"""Restrictions of the sandbox: resource limits and an audit hook. Once set, neither can be removed.

The hook stops what our code, Apprise and its services would do by mistake or for an address that a user wrote; it does
not stop malicious native code.
"""

import resource
import sys
import sysconfig
import zoneinfo
from pathlib import Path
from typing import Any

MEMORY_BYTES = 768 * 1_048_576  # address space; Apprise with one service uses some 35 MB of memory
CPU_S = 60  # for a lifetime of a hundred messages of some milliseconds each
MAX_FILES = 64

DENIED_EVENTS = (  # prefixes of audit events that are denied
    "socket.", "ssl.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.kill", "os.killpg", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod",
    "os.chown", "os.truncate", "os.listdir", "os.scandir", "os.putenv", "os.setxattr", "os.utime", "pty.", "shutil.",
    "ctypes.", "mmap.", "fcntl.", "tempfile.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "nntplib.", "telnetlib.",
    "urllib.", "webbrowser.", "sqlite3.", "syslog.", "winreg.", "signal.",
)  # fmt: skip
IMPORT_EVENTS = frozenset({"os.listdir", "os.scandir"})  # imports raise these, within the libraries

denied: list[str] = []  # audit events denied since the list was last cleared


class SandboxAccessDenied(PermissionError):  # noqa: N818  # services handle it as a file that they may not read
    """The restrictions denied this operation."""


def set_limits() -> None:
    """Limit memory, CPU time and open files; forbid writing to files."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def deny_access() -> None:
    """Deny opening, connecting and starting anything from now on."""
    readable = _libraries()
    # Search only folders that may be read: imports list a folder again after each change.
    sys.path[:] = [one for one in sys.path if f"{Path(one).resolve()}/".startswith(readable)]

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            _deny_unless(_is_reading(arguments) and _is_in(arguments[0], readable), event)
        elif event in IMPORT_EVENTS:
            _deny_unless(_is_in(arguments[0], readable), event)
        elif event.startswith(DENIED_EVENTS):
            _deny_unless(False, event)

    sys.addaudithook(check)


def _deny_unless(allowed: bool, event: str) -> None:  # noqa: FBT001  # the result of a check
    if not allowed:
        denied.append(event)
        raise SandboxAccessDenied(f"{event} is not possible in here")


def _is_reading(arguments: tuple[Any, ...]) -> bool:
    """Whether a file is opened for reading, by mode or, without one, by flags."""
    _, mode, flags = arguments
    return not set(mode) & set("wax+") if isinstance(mode, str) else not flags & 0o3


def _is_in(path: Any, folders: tuple[str, ...]) -> bool:
    """Whether a path is below one of the folders. Numbers are descriptors, not paths."""
    if isinstance(path, bytes):
        path = path.decode(errors="replace")
    return isinstance(path, str) and str(Path(path).resolve()).startswith(folders)


def _libraries() -> tuple[str, ...]:
    """Folders of modules and time zones."""
    library_paths = {sysconfig.get_path(one) for one in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders = [*library_paths, *map(str, zoneinfo.TZPATH), str(Path(__file__).parent)]
    return tuple(f"{Path(one).resolve()}/" for one in folders)
