"""Reads what comes from outside: JSON, charsets, hosts, URLs, PEM, filters. Bounded and pure."""
