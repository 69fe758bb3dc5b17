"""One CLI command per file."""
