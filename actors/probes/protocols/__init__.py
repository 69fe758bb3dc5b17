"""Wire protocols, bounded, one per file."""
