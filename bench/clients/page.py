"""Reads docs/clients.md: how each client is generated, and the short programs that use one."""

import re

from bench.programs import ROOT

PAGE = ROOT / "docs" / "clients.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class NotOnThePage(Exception):  # noqa: N818  # a fact about the page
    """The page lacks a command or a program."""


def command(begins: str) -> str:
    """The one shell command on the page that begins like this."""
    lines = [line for language, text in _fences() if language == "sh" for line in text.splitlines()]
    found = [line for line in lines if line.startswith(begins)]
    if len(found) != 1:
        raise NotOnThePage(f"{PAGE.name}: {len(found)} commands begin with “{begins}”, not one.")
    return found[0]


def program(language: str) -> str:
    """The one program on the page in this language."""
    found = [text for one, text in _fences() if one == language]
    if len(found) != 1:
        raise NotOnThePage(f"{PAGE.name}: {len(found)} programs in {language}, not one.")
    return found[0]


def _fences() -> list[tuple[str, str]]:
    return FENCE.findall(PAGE.read_text(encoding="utf-8"))
