"""Encryption at rest, masking, signed tokens and the audit chain's MAC."""
