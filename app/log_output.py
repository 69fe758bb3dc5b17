"""Where lines of the log go, and that nothing out there can stop who writes them.

A directory that goes away is made again, a rotated file is opened anew. While nothing can be written (a full disk, no
rights, no descriptors, nobody who reads), standard error has one line that says so, and the lines lost are counted.
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
    """Count a line that nobody will read, and say so to whoever reads standard error."""
    LINES_LOST.inc()
    with suppress(OSError, ValueError):  # nobody does
        cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        print(f"watchkeeper: {why}: {cause}", file=sys.stderr, flush=True)  # noqa: T201  # the last resort


class LogFile:
    """LOG_FILE. Raises OSError when it is made and can't be opened: a setting is wrong then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = open_log(path)

    def write(self, text: bytes) -> None:
        """Append. Raises OSError."""
        if not is_same_file(self._handle, self._path):
            fresh = open_log(self._path)
            os.close(self._handle)
            self._handle = fresh
        _write_all(self._handle, text)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class Terminal:
    """Standard output, past Python's buffer: what a reader who went away left in it would fail at the end."""

    def write(self, text: bytes) -> None:
        """Write. Raises OSError."""
        try:
            handle = sys.stdout.fileno()
        except (OSError, ValueError, AttributeError):  # somebody put another object there, or closed it
            print(text.decode(errors="replace"), end="", flush=True)  # noqa: T201  # where lines go
            return
        _write_all(handle, text)

    def close(self) -> None:
        """Nothing: it is everybody's."""


def _write_all(handle: int, text: bytes) -> None:
    while text:
        text = text[os.write(handle, text) :]


class LineHandler(logging.Handler):
    """Writes lines; says once per outage that it can't."""

    def __init__(self, output: LogFile | Terminal) -> None:
        super().__init__()
        self._output = output
        self._is_failing = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Never raises."""
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001  # whatever a value does when it is put into words
            line = f"{record.levelname} a line of {record.name} can't be put into words: {type(error).__name__}"
            LINES_LOST.inc()
        try:
            self._output.write(f"{line}\n".encode(errors="backslashreplace"))
        except Exception as error:  # noqa: BLE001  # full, gone, forbidden: none of it is a reason to stop the watch
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
