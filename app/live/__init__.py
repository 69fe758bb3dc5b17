"""Live messages: published once the data is stored, and fanned out to WebSockets by each API process's hub."""

from app.live.replay_buffer import publish

__all__ = ["publish"]
