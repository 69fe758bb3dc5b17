"""One monitor type per file."""
