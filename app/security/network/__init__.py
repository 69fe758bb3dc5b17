"""Outgoing connections: egress policy, name resolution, TLS, bounded HTTP responses."""
