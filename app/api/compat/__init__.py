"""The API of document 002 on the same store: checks, results, plugins, batches."""
