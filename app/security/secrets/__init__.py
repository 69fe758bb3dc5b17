"""Encryption at rest, masking, signed tokens."""
