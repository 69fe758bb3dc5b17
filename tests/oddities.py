"""Tables of oddities in `docs/compared/`: the output of a command line beside the result of a check.

A test runs both and compares their results with the row. `ODDITIES=write` writes the results instead.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from schema.jobs import CheckOutcome
from schema.status import Status

PAGES = Path(__file__).parents[1] / "docs" / "compared"
YES, NO = "yes", "no"
WORDS = {Status.UP: "up", Status.DEGRADED: "degraded", Status.DOWN: "down", Status.UNKNOWN: "unknown"}
_ROW = re.compile(r"^\| (?!-|what )(.+?) \| (.*?) \| (.*?) \| (.*?) ?\|$", re.MULTILINE)


class Row(NamedTuple):
    """Both results, `yes` or `up` first, and why they differ where they do."""

    theirs: str
    ours: str
    why: str = ""

    @property
    def is_explained(self) -> bool:
        """Whether they agree, or the row explains why not."""
        agree = self.theirs.startswith(YES) == self.ours.startswith((WORDS[Status.UP], WORDS[Status.DEGRADED]))
        return agree is not bool(self.why)


def rows(page: str) -> dict[str, Row]:
    """The page's rows, by what each is about."""
    found = _ROW.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    return {what: Row(*fields) for what, *fields in found}


def words_of(outcome: CheckOutcome, **names: str) -> str:
    """The result of a check in one cell; values that change from run to run are replaced by their names."""
    words = f"{WORDS[outcome.status]}: {outcome.message}" if outcome.message else WORDS[outcome.status]
    return named(words, **names)


def named(words: str, **names: str) -> str:
    """The same with each value in it called by its name."""
    for name, value in names.items():
        words = words.replace(value, f"({name.replace('_', ' ')})")
    return " ".join(words.replace("|", "/").split())


def compare(page: str, what: str, theirs: str, ours: str) -> None:
    """Both results match the page, and agree unless it explains why not."""
    if os.environ.get("ODDITIES") == "write":
        _write(page, what, theirs, ours)
    row = rows(page)[what]
    assert (theirs, ours) == row[:2]
    assert row.is_explained, "they don't agree, or agree and the row says why they don't"


def _write(page: str, what: str, theirs: str, ours: str) -> None:
    file = PAGES / f"{page}.md"
    text = file.read_text(encoding="utf-8")
    known = rows(page).get(what)
    new = f"| {what} | {theirs} | {ours} | {known.why if known else ''} |".replace("  ", " ")
    old = next((one.group() for one in _ROW.finditer(text) if one.group(1) == what), "")
    file.write_text(text.replace(old, new) if old else f"{text.rstrip()}\n{new}\n", encoding="utf-8")


def without_days(words: str) -> str:
    """The same with dates taken out."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "(a date)", words)
