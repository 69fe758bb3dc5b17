"""Migrations: one change per file, for SQLite and PostgreSQL. They only add."""
