"""One notification provider per file."""
