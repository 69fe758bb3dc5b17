"""Writes that span subjects, each one transaction: change a monitor, store results, run escalations."""
