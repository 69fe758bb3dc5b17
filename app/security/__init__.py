"""Authentication and authorization, limits on guessing and requests, egress policy, and encryption of secrets."""
