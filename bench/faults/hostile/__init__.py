"""Odd, broken and malicious servers of every protocol, and whether healthy monitors beside them are checked in time."""
