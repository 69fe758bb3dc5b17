"""Scopes of API keys, `noun:read` and `noun:write`, and the scope that each route requires.

The noun is the first segment of the path below `/api/v1`; several views of one resource share its noun. Safe methods
need `read`, all others `write`; `write` includes `read`.
"""

from collections.abc import Collection

NOUN_ALIASES = {"checks": "monitors", "batch": "monitors", "plugins": "monitors", "results": "heartbeats"}
OWN_NOUN = "auth"  # the caller's own identity: open to any key
PEOPLE_ONLY = frozenset({OWN_NOUN, "users", "sessions", "invitations"})  # an API key may read these at most
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READ, WRITE = "read", "write"


def scope_of(path: str, method: str) -> str:
    """The scope a route requires; empty if none is enough (`PEOPLE_ONLY`) or none is needed (`OWN_NOUN`)."""
    noun, is_read = _noun_of(path), method in SAFE_METHODS
    if noun == OWN_NOUN or (noun in PEOPLE_ONLY and not is_read):
        return ""
    return f"{noun}:{READ if is_read else WRITE}"


def is_people_only(path: str, method: str) -> bool:
    """Whether API keys are refused here, whatever their role and scopes."""
    return _noun_of(path) in PEOPLE_ONLY and method not in SAFE_METHODS


def covers_scope(held: Collection[str] | None, needed: str) -> bool:
    """Whether the held scopes include the needed one. None holds all."""
    if held is None or not needed:
        return True
    return needed in held or needed.replace(f":{READ}", f":{WRITE}") in held


def _noun_of(path: str) -> str:
    segment = path.removeprefix("/api/v1").lstrip("/").partition("/")[0]
    return NOUN_ALIASES.get(segment, segment)
