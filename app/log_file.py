"""The log's file: opened to append to, its directory made when it is not there. Imports nothing, for the parent."""

import os
from pathlib import Path

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
MODE = 0o640  # a group that reads logs may be let in, as far as the umask allows


def open_log(path: Path) -> int:
    """A descriptor to append to; makes the directory. Raises OSError."""
    try:
        return os.open(path, FLAGS, MODE)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, FLAGS, MODE)


def is_same_file(handle: int, path: Path) -> bool:
    """Whether that very file is still there, rather than rotated away or removed."""
    try:
        there = path.stat()
    except OSError:
        return False
    ours = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
