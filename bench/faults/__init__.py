"""Breaks the product on purpose, in real processes, and compares its alerts with what really happened."""
