"""Scopes: what an API key may be narrowed to, `noun:read` and `noun:write`. The one place that gives a route its scope.

The noun is the first word of the path below `/api/v1`; views of one resource share its noun. Methods that change
nothing read, all others write; who may write may read.
"""

from collections.abc import Collection

VIEWS = {"checks": "monitors", "batch": "monitors", "plugins": "monitors", "results": "heartbeats"}
OWN = "auth"  # who one is: any key may ask
PEOPLE = frozenset({OWN, "users", "sessions", "invitations"})  # managed by people alone: a key there reads at most
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
READ, WRITE = "read", "write"


def scope_of(path: str, method: str) -> str:
    """The scope a route needs; empty when none can help (`PEOPLE`) or none is needed (`OWN`)."""
    noun, is_read = _noun_of(path), method in SAFE
    if noun == OWN or (noun in PEOPLE and not is_read):
        return ""
    return f"{noun}:{READ if is_read else WRITE}"


def is_for_people(path: str, method: str) -> bool:
    """Whether no API key may do this, whatever its role and scopes."""
    return _noun_of(path) in PEOPLE and method not in SAFE


def cover(held: Collection[str] | None, needed: str) -> bool:
    """Whether scopes are enough; None are all of them."""
    if held is None or not needed:
        return True
    return needed in held or needed.replace(f":{READ}", f":{WRITE}") in held


def _noun_of(path: str) -> str:
    first = path.removeprefix("/api/v1").lstrip("/").partition("/")[0]
    return VIEWS.get(first, first)
