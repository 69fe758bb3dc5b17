"""Fixtures for every test of the actors."""

import pytest

from actors.probes.kit import stalls

NO_MATTER_S = 3_600.0


@pytest.fixture(autouse=True)
def stalls_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a moment makes what a check saw doubtful, as it should; here it would be luck."""
    monkeypatch.setattr(stalls, "TOLERATED_S", NO_MATTER_S)
