"""Measures how long each phase of a check takes. Redirects add up."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Timings:
    """Seconds by phase: dns, connect, tls, first_byte."""

    def __init__(self) -> None:
        self._took: dict[str, float] = {}

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Add the time that the block takes to a phase."""
        began = perf_counter()
        try:
            yield
        finally:
            self.add(phase, perf_counter() - began)

    def add(self, phase: str, took_s: float) -> None:
        """Add seconds to a phase."""
        self._took[phase] = self._took.get(phase, 0.0) + took_s

    def setup_s(self) -> float:
        """Seconds until requests could be sent, so far."""
        return sum(self._took.get(phase, 0.0) for phase in ("dns", "connect", "tls"))

    def facts(self, total_s: float) -> dict[str, float]:
        """Milliseconds for a detail, in the order of the phases."""
        return {f"{name}_ms": round(took * 1000, 3) for name, took in {**self._took, "total": total_s}.items()}
