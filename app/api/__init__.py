"""Windows: one controller per noun. They decode, ask the store, and encode."""
