"""Identifies the caller of a request and decides what they may do."""
