"""The WebSocket: connections, subscriptions, limits and visibility."""
