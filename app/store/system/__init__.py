"""Settings, checkpoints, idempotency, key rotation."""
