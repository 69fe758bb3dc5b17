"""Outbox, deliveries and channels."""
