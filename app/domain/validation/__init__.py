"""Strict validation of structs, with every error at once; patterns, queries, assertions. Pure."""
