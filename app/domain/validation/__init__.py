"""Validates structs strictly, with every error at once; regular expressions, JSON queries, assertions. Pure."""
