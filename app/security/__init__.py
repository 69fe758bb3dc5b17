"""Who is asking, what they may do, what may leave, and how secrets are kept."""
