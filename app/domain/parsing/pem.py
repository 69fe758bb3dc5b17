"""Converts PEM texts for OpenSSL. Pure."""


def ascii_pem(text: str) -> str:
    """The text in ASCII. Comments between the blocks may have other letters, which `ssl` rejects."""
    return text.encode("ascii", "replace").decode("ascii")
