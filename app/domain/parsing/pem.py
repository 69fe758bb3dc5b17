"""Texts in PEM as OpenSSL takes them. Pure."""


def ascii_pem(text: str) -> str:
    """The same; what people write between the blocks, such as a name beyond ASCII, is no part of them."""
    return text.encode("ascii", "replace").decode("ascii")
