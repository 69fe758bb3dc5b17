"""A wall clock of the product's own, which jumps while its processes run. Ours, and every monotonic one, stay true."""

import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.faults.shifts import Shift

SOURCE = Path(__file__).with_name("clock.c")
SIZE = 8  # bytes of the shift
FILE = "CLOCK_SHIFT_FILE"  # where the library looks for the shift


class NoCompiler(Exception):  # noqa: N818  # names what is missing
    """The library can't be built here."""


class Clock:
    """The shift, in a file that every process of the product maps. `shifts` is what was done so far."""

    def __init__(self, folder: Path) -> None:
        self._file, self._library = folder / "shift", folder / "clock.so"
        self.shifts: list[Shift] = []
        self._file.write_bytes(bytes(SIZE))
        _build(self._library)

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes a process, and its children, live by this clock."""
        return {"LD_PRELOAD": str(self._library), FILE: str(self._file)}

    @asynccontextmanager
    async def ahead(self, offset_s: float) -> AsyncIterator[None]:
        """The wall clock is so far ahead for as long as the block lasts, then right again."""
        began_ms = time.time() * 1000
        self.shifts.append(Shift(began_ms, float("inf"), offset_s * 1000))
        self.shift(offset_s)
        try:
            yield
        finally:
            self.shift(0)
            self.shifts[-1] = Shift(began_ms, time.time() * 1000, offset_s * 1000)

    def shift(self, offset_s: float) -> None:
        """Be so far ahead from now on. All bytes at once, in place: the file stays the one that is mapped."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(int(offset_s * 1_000_000_000).to_bytes(SIZE, "little", signed=True))


def _build(library: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NoCompiler("A C compiler is needed to shift the product's clock: install gcc and libc6-dev.")
    options = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run([compiler, *options, "-o", str(library), str(SOURCE), "-ldl"], check=True)
