"""Incidents and escalation policies."""
