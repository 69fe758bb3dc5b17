"""Optimistic locking: a change names the version that it was made from."""

from app.errors import Stale


def check_version(noun: str, current: int, version: int | None) -> None:
    """Refuse a change of anything but the current version; None changes whichever it is. Raises Stale."""
    if version is not None and version != current:
        raise Stale(f"The {noun} has changed since and has version {current} now. Get it again.", version=current)
