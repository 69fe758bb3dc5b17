"""Writes log lines to a file or the terminal, and survives any failure of either.

A deleted directory is created again, a rotated file is reopened. While nothing can be written (a full disk, missing
permissions, no descriptors, no reader), one line on standard error says so, and the lost lines are counted.
"""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from prometheus_client import Counter

from app.log_file import is_same_file, open_log

LINES_LOST = Counter("watchkeeper_log_lines_lost", "Lines of the log that could not be written.")


def count_lost_line(why: str, error: BaseException) -> None:
    """Count a lost line, and print the reason on standard error."""
    LINES_LOST.inc()
    with suppress(OSError, ValueError):  # nobody reads it
        cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        print(f"watchkeeper: {why}: {cause}", file=sys.stderr, flush=True)  # noqa: T201  # the last resort


class LogFile:
    """LOG_FILE. The constructor raises OSError when it can't be opened: a setting is wrong then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = open_log(path)

    def write(self, text: bytes) -> None:
        """Append. Raises OSError."""
        if not is_same_file(self._handle, self._path):
            new = open_log(self._path)
            os.close(self._handle)
            self._handle = new
        _write_all(self._handle, text)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class Terminal:
    """Standard output without Python's buffer, whose flush at exit would fail when the reader is gone."""

    def write(self, text: bytes) -> None:
        """Write. Raises OSError."""
        try:
            handle = sys.stdout.fileno()
        except (OSError, ValueError, AttributeError):  # it was replaced by another object, or closed
            print(text.decode(errors="replace"), end="", flush=True)  # noqa: T201  # where lines go
            return
        _write_all(handle, text)

    def close(self) -> None:
        """Leave it open: it belongs to the whole process."""


def _write_all(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]


class LineHandler(logging.Handler):
    """Writes lines; reports each outage once."""

    def __init__(self, output: LogFile | Terminal) -> None:
        super().__init__()
        self._output = output
        self._is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Never raises."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  # whatever a value raises when it is formatted
            line = f"{record.levelname} a line of {record.name} can't be put into words: {type(error).__name__}"
            LINES_LOST.inc()
        try:
            self._output.write(f"{line}\n".encode(errors="backslashreplace"))
        except Exception as error:  # noqa: BLE001  # full, gone or forbidden: logging must not stop the process
            if self._is_failing:
                LINES_LOST.inc()
                return
            self._is_failing = True
            count_lost_line("the log can't be written to; lines are lost until it can", error)
        else:
            self._is_failing = False

    def close(self) -> None:
        """Close the output."""
        self._output.close()
        super().close()
