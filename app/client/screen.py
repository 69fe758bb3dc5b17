"""What a terminal shows: tables, JSON, and a bar while something takes its time."""

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

BAR_WIDTH = 30  # characters
COLUMN_GAP = 2  # spaces between columns
MIN_COLUMN_WIDTH = 8  # a column
RED, GREEN, YELLOW, BLUE, GREY = "31", "32", "33", "34", "90"
COLOURS = {
    "down": RED, "error": RED, "up": GREEN, "success": GREEN, "pending": YELLOW, "degraded": YELLOW, "warning": YELLOW,
    "maintenance": BLUE, "unknown": GREY, "paused": GREY,
}  # fmt: skip


def format_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, cut to the terminal; control characters are shown, not obeyed."""
    cells = [list(heads), *([printable(cell) for cell in row] for row in rows)]
    widths = _fit_to_terminal([max(map(len, column)) for column in zip(*cells, strict=True)])
    return "\n".join("  ".join(map(_cell, row, widths)).rstrip() for row in cells)


def _fit_to_terminal(widths: list[int]) -> list[int]:
    """The same widths, the widest ones narrowed until a terminal has room for all; in a pipe as they are."""
    if not sys.stdout.isatty():
        return widths
    room = shutil.get_terminal_size().columns - COLUMN_GAP * (len(widths) - 1)
    while sum(widths) > room and max(widths) > MIN_COLUMN_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cell(text: str, width: int) -> str:
    shown = text if len(text) <= width else f"{text[: width - 1]}…"
    return colorize(shown) + " " * (width - len(shown))


def colorize(word: str) -> str:
    """A status in its colour, for people who look at a terminal and did not set NO_COLOR; other words as they are."""
    colour = COLOURS.get(word)
    return f"\x1b[{colour}m{word}\x1b[0m" if colour and _has_colours() else word


def _has_colours() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org
        return False
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def local_time(text: str) -> str:
    """An instant of the API's by the clock on the wall here."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def local_zone() -> str:
    """What that clock's time zone is called now."""
    return datetime.now().astimezone().tzname() or "local"


def printable(text: str) -> str:
    """The text without anything that could move the cursor."""
    return "".join(one if one.isprintable() else "�" for one in text)


def as_json(value: Any) -> str:
    """The value as a program reads it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def print_line(text: str) -> None:
    """Print at once, so that a pipe gets it too."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_error(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"watchkeeper: {text}\n")


def show_progress(done: int, total: int) -> None:
    """A bar on stderr, when somebody looks; it is gone when all is done."""
    if not sys.stderr.isatty():
        return
    filled = BAR_WIDTH * done // max(1, total)
    bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done}/{total}"
    sys.stderr.write("\r" + (" " * len(bar) + "\r" if done >= total else bar))
    sys.stderr.flush()
