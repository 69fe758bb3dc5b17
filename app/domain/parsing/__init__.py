"""Parses untrusted input in bounded time: JSON, charsets, hosts, URLs, PEM, filters. Pure."""
