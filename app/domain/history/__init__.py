"""Uptime, completeness, rollups and latency histograms. Pure."""
