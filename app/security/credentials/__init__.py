"""How people prove who they are: passwords, codes, OpenID Connect."""
