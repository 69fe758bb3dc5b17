"""Clients that others' generators make of our document: generated, compiled, and run against a real installation."""
