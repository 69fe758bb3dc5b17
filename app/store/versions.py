"""Optimistic locking: a change names the version that it was made from."""

from typing import TypeAlias

from app.errors import Stale

ExpectedVersion: TypeAlias = int | frozenset[int] | None  # one version, one of several, or whichever there is


def check_version(noun: str, current: int, expected: ExpectedVersion) -> None:
    """Refuse a change of anything but an expected version. Raises Stale."""
    if expected is None or expected == current or (isinstance(expected, frozenset) and current in expected):
        return
    raise Stale(f"The {noun} has changed since and has version {current} now. Get it again.", version=current)
