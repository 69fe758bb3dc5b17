"""Users, sessions, second factors, API keys."""
