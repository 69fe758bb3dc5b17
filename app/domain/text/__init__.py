"""Message texts: titles, details, digests, templates. Pure."""
