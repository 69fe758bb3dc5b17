"""Clears what is cached of sessions, API keys and passwords, after a change of users or of what they may see."""

from app.store.identity import api_key_auth, basic_auth, sessions


def clear_caches() -> None:
    """Read sessions, API keys and passwords from the store again: here at once, in other processes within a second."""
    sessions.clear_cache()
    api_key_auth.clear_cache()
    basic_auth.clear_cache()
