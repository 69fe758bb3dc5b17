"""Where we may connect, and how: egress, TLS, bounded responses."""
