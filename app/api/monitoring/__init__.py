"""Monitors, heartbeats, tags, proxies, push: one controller per resource."""
