"""Verbs on rows: structs in, structs out. The only room that knows SQL."""
