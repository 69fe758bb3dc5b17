"""Piccolo tables, one file per subject. Their rows never leave `app.store`."""
