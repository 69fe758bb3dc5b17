"""Opens the log file for appending, and creates its directory. Imports almost nothing, for the supervisor."""

import os
from pathlib import Path

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
MODE = 0o640  # a group may read logs, as far as the umask allows


def open_log(path: Path) -> int:
    """A descriptor for appending; creates the directory. Raises OSError."""
    try:
        return os.open(path, FLAGS, MODE)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, FLAGS, MODE)


def is_same_file(handle: int, path: Path) -> bool:
    """Whether the path is still the open file, and not rotated or removed."""
    try:
        at_path = path.stat()
    except OSError:
        return False
    opened = os.fstat(handle)
    return (at_path.st_dev, at_path.st_ino) == (opened.st_dev, opened.st_ino)
