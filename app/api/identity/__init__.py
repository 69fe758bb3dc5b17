"""Sign-in, users, sessions, second factors, API keys: one controller per resource."""
