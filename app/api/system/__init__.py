"""Health, settings, audit log."""
