"""Terminal output: tables, JSON, colours and a progress bar."""

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

BAR_WIDTH = 30  # characters
COLUMN_GAP = 2  # spaces between columns
MIN_COLUMN_WIDTH = 8  # characters
RED, GREEN, YELLOW, BLUE, GREY = "31", "32", "33", "34", "90"
COLOURS = {
    "down": RED, "error": RED, "up": GREEN, "success": GREEN, "pending": YELLOW, "degraded": YELLOW, "warning": YELLOW,
    "maintenance": BLUE, "unknown": GREY, "paused": GREY,
}  # fmt: skip


def format_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, cut to the terminal; control characters are replaced."""
    cells = [list(heads), *([printable(cell) for cell in row] for row in rows)]
    widths = _fit_to_terminal([max(map(len, column)) for column in zip(*cells, strict=True)])
    return "\n".join("  ".join(map(_cell, row, widths)).rstrip() for row in cells)


def _fit_to_terminal(widths: list[int]) -> list[int]:
    """The widths, the widest reduced until all fit into the terminal; unchanged in a pipe."""
    if not sys.stdout.isatty():
        return widths
    available = shutil.get_terminal_size().columns - COLUMN_GAP * (len(widths) - 1)
    while sum(widths) > available and max(widths) > MIN_COLUMN_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cell(text: str, width: int) -> str:
    visible = text if len(text) <= width else f"{text[: width - 1]}…"
    return colorize(visible) + " " * (width - len(visible))


def colorize(word: str) -> str:
    """A status in its colour, on a terminal without NO_COLOR; other words are returned unchanged."""
    colour = COLOURS.get(word)
    return f"\x1b[{colour}m{word}\x1b[0m" if colour and _has_colours() else word


def _has_colours() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org
        return False
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def local_time(text: str) -> str:
    """An instant from the API in local time."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def local_zone() -> str:
    """The name of the local time zone."""
    return datetime.now().astimezone().tzname() or "local"


def printable(text: str) -> str:
    """The text with non-printable characters replaced, which could move the cursor."""
    return "".join(char if char.isprintable() else "�" for char in text)


def as_json(value: Any) -> str:
    """The value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def print_line(text: str) -> None:
    """Print a line and flush, so that a pipe gets it at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"watchkeeper: {text}\n")


def show_progress(done: int, total: int) -> None:
    """Draw a progress bar on stderr if it is a terminal; the bar is removed at the end."""
    if not sys.stderr.isatty():
        return
    filled = BAR_WIDTH * done // max(1, total)
    bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{total}"
    sys.stderr.write("\r" + (" " * len(bar) + "\r" if done >= total else bar))
    sys.stderr.flush()
