"""Verifies how people prove their identity: passwords, one-time codes, OpenID Connect."""
