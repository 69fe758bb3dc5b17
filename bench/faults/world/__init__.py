"""Faults of the environment: clocks jump, processes pause; logs, databases and Valkey's files break."""
