"""The share of processor time that the host took away: figures are valid only where it is small."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

WORTH_SAYING = 0.03
_STOLEN = 7  # field of the line "cpu" in /proc/stat, after its name; the first eight add up to all the time there was


class Theft(Struct):
    """What was taken, as a share of all time of all processors; 0 where the kernel does not report it."""

    share: float = 0.0

    @property
    def note(self) -> str:
        """For the row of a figure; empty when it is negligible."""
        return f"the host took {self.share:.0%} of the CPU" if self.share >= WORTH_SAYING else ""


@contextmanager
def watched(stat: Path = Path("/proc/stat")) -> Iterator[Theft]:
    """Fills in what was taken when the block ends."""
    theft, before = Theft(), _ticks(stat)
    try:
        yield theft
    finally:
        spent = [after - earlier for after, earlier in zip(_ticks(stat), before, strict=True)]
        theft.share = spent[_STOLEN] / sum(spent) if sum(spent) > 0 else 0.0


def _ticks(stat: Path) -> list[int]:
    if not stat.exists():
        return [0] * (_STOLEN + 1)
    return [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1 : _STOLEN + 2]]
