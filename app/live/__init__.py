"""Live messages: told by whoever stored the facts (`publish`), fanned out to sockets by each API process's hub."""

from app.live.publisher import publish, publish_events, publish_heartbeats

__all__ = ["publish", "publish_events", "publish_heartbeats"]
