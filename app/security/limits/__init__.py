"""Brute force, rate limits, client addresses."""
