"""The WebSocket: connections, subscriptions, what each may see."""
