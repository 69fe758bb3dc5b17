"""Document 002's view of the same store: checks, results, plugins, batches."""
