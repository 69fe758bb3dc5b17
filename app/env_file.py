"""Reads KEY=value files, and files that contain one secret each.

`.env` and the secrets file are in python-dotenv's format. Nothing is expanded; a line that is no KEY=value is refused.
"""

from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

MAX_SECRET_BYTES = 65_536  # of one secret


class BadLine(ValueError):  # noqa: N818  # names what is wrong
    """A line that is no KEY=value. Names the line number, never the line, which may contain a secret."""


class InvalidSecretFile(ValueError):  # noqa: N818  # names what is wrong
    """A file without a secret. Says why, never what is in it."""


def parse(text: str) -> dict[str, str]:
    """The variables in a file's text; the last one of a name wins.

    raises  BadLine
    """
    variables: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        if binding.key is None and not binding.error:  # comments, and empty lines at the end
            continue
        if binding.key is None or binding.value is None or not _is_name(binding.key):
            raise BadLine(f"line {_line_of(binding)} is not KEY=value")
        variables[binding.key] = binding.value
    return variables


def read(path: Path) -> dict[str, str]:
    """The variables in a file.

    raises  OSError, BadLine
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadLine("is not UTF-8 text") from error


def read_secret(path: Path) -> str:
    """The content of a file, without line breaks at its end.

    raises  OSError, InvalidSecretFile
    """
    with path.open("rb") as file:
        content = file.read(MAX_SECRET_BYTES + 1).rstrip(b"\r\n")
    if not content:
        raise InvalidSecretFile("is empty")
    if len(content) > MAX_SECRET_BYTES:
        raise InvalidSecretFile(f"has more than {MAX_SECRET_BYTES} bytes")
    if b"\0" in content:
        raise InvalidSecretFile("has a zero byte in it")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidSecretFile("is not UTF-8 text") from error


def _is_name(key: str) -> bool:
    return key.isascii() and key.isidentifier()


def _line_of(binding: Binding) -> int:
    """The number of a binding's first line; the parser counts from the empty lines before it."""
    text = binding.original.string
    return binding.original.line + text[: -len(text.lstrip())].count("\n")
