"""The result of a fault run, and whether it passes. Pure."""

from typing import Protocol

from msgspec import Struct

from bench.faults.oracle import Verdict

MAX_LINES = 10  # lines of each kind of trouble


class Printed(Protocol):
    """What every run ends with."""

    @property
    def holds(self) -> bool:
        """Everything that must hold did."""

    def text(self) -> str:
        """For people, and for grep."""


class History(Struct, frozen=True):
    """What `watchkeeper doctor --history` counted."""

    slots: int = 0
    missing: int = 0
    doubled: int = 0
    gaps: int = 0

    def since(self, earlier: "History") -> "History":
        """What came after an earlier count of the same history."""
        return History(
            self.slots - earlier.slots,
            self.missing - earlier.missing,
            self.doubled - earlier.doubled,
            self.gaps - earlier.gaps,
        )


class Report(Struct, frozen=True, kw_only=True):
    """One fault run.

    injected    what was done, and how often
    unchecked   times a monitor was left alone for too long
    wasted      results that were finished and not stored (where nothing was killed)
    troubles    what else should not have happened, in words
    """

    name: str
    rounds: int
    injected: dict[str, int]
    verdict: Verdict
    unchecked: int
    history: History
    wasted: int = 0
    troubles: list[str] = []
    notes: list[str] = []

    @property
    def holds(self) -> bool:
        """Everything that must hold did."""
        whole = not (self.history.missing or self.history.doubled)
        has_data = self.history.slots > 0 and self.verdict.transitions > 0  # nothing compared is nothing shown
        return (
            self.verdict.holds and not self.unchecked and not self.wasted and whole and has_data and not self.troubles
        )

    def text(self) -> str:
        """For people, and for grep."""
        verdict, past = self.verdict, self.history
        done = ", ".join(f"{what} {times}" for what, times in sorted(self.injected.items()))
        lines = [
            f"{self.name}: {'holds' if self.holds else 'DOES NOT HOLD'}",
            f"  rounds {self.rounds}; injected: {done}",
            f"  transitions {verdict.transitions}: lost {len(verdict.lost)}, doubled {len(verdict.doubled)}",
            f"  invented {len(verdict.invented)}, sent again with the same key {verdict.repeats}",
            f"  left unchecked too long {self.unchecked}, finished results lost {self.wasted}",
            f"  history: slots {past.slots}, missing {past.missing}, doubled {past.doubled}, gaps {past.gaps}",
        ]
        kinds = (
            ("lost", verdict.lost),
            ("doubled", verdict.doubled),
            ("invented", verdict.invented),
            ("trouble", self.troubles),
        )
        lines += [f"  {kind}: {line}" for kind, found in kinds for line in found[:MAX_LINES]]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
