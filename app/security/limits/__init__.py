"""Limits guessing and request rates, by account and client address."""
