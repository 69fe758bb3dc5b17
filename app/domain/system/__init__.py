"""Egress rules, self checks, destinations for the audit log. Pure."""
