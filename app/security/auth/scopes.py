"""Scopes: what an API key may be narrowed to, `noun:read` and `noun:write`. The one place that gives a route its scope.

The noun is the first word of the path below `/api/v1`; views of one resource share its noun. Methods that change
nothing read, all others write; who may write may read.
"""

from collections.abc import Collection

NOUN_ALIASES = {"checks": "monitors", "batch": "monitors", "plugins": "monitors", "results": "heartbeats"}
OWN_NOUN = "auth"  # who one is: any key may ask
PEOPLE_ONLY = frozenset(
    {OWN_NOUN, "users", "sessions", "invitations"}
)  # managed by people alone: a key there reads at most
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ, WRITE = "read", "write"


def scope_of(path: str, method: str) -> str:
    """The scope a route needs; empty when none can help (`PEOPLE`) or none is needed (`OWN`)."""
    noun, is_read = _noun_of(path), method in SAFE_METHODS
    if noun == OWN_NOUN or (noun in PEOPLE_ONLY and not is_read):
        return ""
    return f"{noun}:{READ if is_read else WRITE}"


def is_people_only(path: str, method: str) -> bool:
    """Whether no API key may do this, whatever its role and scopes."""
    return _noun_of(path) in PEOPLE_ONLY and method not in SAFE_METHODS


def covers_scope(held: Collection[str] | None, needed: str) -> bool:
    """Whether scopes are enough; None are all of them."""
    if held is None or not needed:
        return True
    return needed in held or needed.replace(f":{READ}", f":{WRITE}") in held


def _noun_of(path: str) -> str:
    first = path.removeprefix("/api/v1").lstrip("/").partition("/")[0]
    return NOUN_ALIASES.get(first, first)
