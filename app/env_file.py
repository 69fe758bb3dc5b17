"""Reads KEY=value files, and files that contain one secret each.

`.env` and the secrets file may have comments, `export` and quotes; nothing is expanded.
"""

import re
from pathlib import Path

_LINE = re.compile(
    r"""^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?: "(?P<double>(?:[^"\\]|\\.)*)"\s*(?:\#.*)?
      | '(?P<single>[^']*)'\s*(?:\#.*)?
      | (?P<bare>.*?)(?:\s+\#.*)?\s*
    )$""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")
MAX_SECRET_BYTES = 65_536  # of one secret
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


class BadLine(ValueError):  # noqa: N818  # names what is wrong
    """A line that is no KEY=value. Names the line number, never the line, which may contain a secret."""


class InvalidSecretFile(ValueError):  # noqa: N818  # names what is wrong
    """A file without a secret. Says why, never what is in it."""


def parse(text: str) -> dict[str, str]:
    """The variables in a file's text; the last one of a name wins.

    raises  BadLine
    """
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, value = _parse_line(line, number)
            variables[name] = value
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

    raises  OSError, NoSecret
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


def _parse_line(line: str, number: int) -> tuple[str, str]:
    match = _LINE.match(line)
    if match is None or (match["bare"] or "").startswith(('"', "'")):
        raise BadLine(f"line {number} is not KEY=value")
    if match["double"] is not None:
        return match["name"], _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), match["double"])
    return match["name"], match["single"] if match["single"] is not None else match["bare"]
