"""Rejects passwords that are easy to guess. Pure; the schema checks the length."""

import re
from collections.abc import Collection
from itertools import pairwise

MIN_DISTINCT_CHARS = 5  # different characters: fewer is a pattern, however long
MIN_NAME_CHARS = 4  # shorter names occur in good passwords
COMMON = "is among the most common passwords; use three or four unrelated words"
PATTERN = "is a pattern of few characters; use three or four unrelated words"
OWN_NAME = "must not be based on your user name or e-mail address"
_STEMS = """
password passwort passw0rd p@ssword welcome admin administrator root user guest login letmein changeme default qwerty
qwertz azerty asdf asdfgh zxcvbn abc abcd iloveyou monkey dragon master shadow sunshine princess football baseball
superman batman michael jordan charlie summer winter spring autumn sommer january february march april june july august
september october november december monday friday secret test testing temp company server monitor monitoring watchkeeper
"""
STEMS = frozenset(_STEMS.split())  # with digits and signs around them they are common passwords
LEET = str.maketrans("01345$@!7", "oleassait")


def find_weakness(password: str, common: Collection[str], names: Collection[str]) -> str | None:
    """Why the password is weak, as a sentence without its subject; None when it is not.

    common    common passwords, lower case
    names     the user's: user name, e-mail address
    """
    lower = password.lower()
    if len(set(lower)) < MIN_DISTINCT_CHARS:
        return PATTERN
    if any(_is_mostly_name(lower, name) for name in _name_parts(names)):
        return OWN_NAME
    if lower in common or lower.translate(LEET) in common or _stem(lower) in STEMS or _is_sequence(lower):
        return COMMON
    return None


def _name_parts(names: Collection[str]) -> set[str]:
    """Names, and their parts before the @."""
    whole = {name.lower() for name in names}
    parts = whole | {name.partition("@")[0] for name in whole}
    return {part for part in parts if len(part) >= MIN_NAME_CHARS}


def _is_mostly_name(lower: str, name: str) -> bool:
    """Whether the password is the name with a few characters around it, or the name repeated."""
    return name in lower and len(lower.replace(name, "")) < len(lower) / 2


def _stem(lower: str) -> str:
    """The word without digits and signs around it, and without leet: `p4ssword2026!` is `password`."""
    return re.sub(r"[\d\W_]+$", "", re.sub(r"^[\d\W_]+", "", lower)).translate(LEET)


def _is_sequence(lower: str) -> bool:
    """Whether the characters run up or down the alphabet."""
    steps = {ord(after) - ord(before) for before, after in pairwise(lower)}
    return steps in ({1}, {-1})
