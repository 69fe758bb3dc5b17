"""Breaks the product on purpose, in real processes, and compares what it told with what was true."""
