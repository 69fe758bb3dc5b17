"""What a terminal shows: tables, JSON, and a bar while something takes its time."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

BAR = 30  # characters


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; control characters of names and messages are shown, not obeyed."""
    cells = [list(heads), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def plain(text: str) -> str:
    """The text without anything that could move the cursor."""
    return "".join(one if one.isprintable() else "�" for one in text)


def as_json(value: Any) -> str:
    """The value as a program reads it."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def say(text: str) -> None:
    """Print at once, so that a pipe gets it too."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"watchkeeper: {text}\n")


def progress(done: int, total: int) -> None:
    """A bar on stderr, when somebody looks; it is gone when all is done."""
    if not sys.stderr.isatty():
        return
    filled = BAR * done // max(1, total)
    bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}"
    sys.stderr.write("\r" + (" " * len(bar) + "\r" if done >= total else bar))
    sys.stderr.flush()
