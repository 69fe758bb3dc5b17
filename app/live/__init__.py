"""Live messages: published once the data is stored, and fanned out to WebSockets by each API process's hub."""

from app.live.publisher import publish, publish_events, publish_heartbeats

__all__ = ["publish", "publish_events", "publish_heartbeats"]
