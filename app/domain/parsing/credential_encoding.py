"""Credentials beyond ASCII, for libraries that send texts as Latin-1. Pure."""


def utf8_as_latin1(text: str) -> str:
    """A text whose bytes in Latin-1 are those of this one in UTF-8, as servers store it and other clients send it."""
    return text.encode().decode("latin-1")
