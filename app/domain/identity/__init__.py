"""Password strength, limits of API keys, roles from OpenID claims. Pure."""
