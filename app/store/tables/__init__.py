"""Rows: one file per noun. They never leave `app.store`."""
