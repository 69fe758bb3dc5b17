"""Encodes credentials beyond ASCII for libraries that send texts as Latin-1. Pure."""


def utf8_as_latin1(text: str) -> str:
    """A text that becomes the UTF-8 bytes of the original when encoded as Latin-1: servers expect UTF-8."""
    return text.encode().decode("latin-1")
