"""Incidents, timelines, escalation policies."""
