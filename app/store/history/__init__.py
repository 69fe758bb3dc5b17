"""Heartbeats and what is derived from them: queries, gaps, rollups, retention."""
