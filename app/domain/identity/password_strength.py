"""What makes a password too easy to guess, and what would be right. Pure; the length is the schema's to say."""

import re
from collections.abc import Collection
from itertools import pairwise

MIN_DISTINCT_CHARS = 5  # different characters: fewer is a pattern, however long
MIN_NAME_CHARS = 4  # a name of three letters is in many a good password
COMMON = "is one that everybody tries first: take three or four words that have nothing to do with each other"
PATTERN = "is a pattern of few characters: take three or four words that have nothing to do with each other"
OWN_NAME = "must not be made of your user name or e-mail address"
_STEMS = """
password passwort passw0rd p@ssword welcome admin administrator root user guest login letmein changeme default qwerty
qwertz azerty asdf asdfgh zxcvbn abc abcd iloveyou monkey dragon master shadow sunshine princess football baseball
superman batman michael jordan charlie summer winter spring autumn sommer january february march april june july august
september october november december monday friday secret test testing temp company server monitor monitoring watchkeeper
"""
STEMS = frozenset(_STEMS.split())  # with digits and signs around them they are what everybody thinks of
LEET = str.maketrans("01345$@!7", "oleassait")


def find_weakness(password: str, common: Collection[str], names: Collection[str]) -> str | None:
    """Why the password won't do, as a sentence without its subject; None when it will.

    common    passwords everybody tries, lower case
    names     what the user is called: user name, e-mail address
    """
    low = password.lower()
    if len(set(low)) < MIN_DISTINCT_CHARS:
        return PATTERN
    if any(_is_mostly_name(low, name) for name in _name_parts(names)):
        return OWN_NAME
    if low in common or low.translate(LEET) in common or _stem(low) in STEMS or _is_sequence(low):
        return COMMON
    return None


def _name_parts(names: Collection[str]) -> set[str]:
    """Names, whole and up to the @."""
    whole = {name.lower() for name in names}
    parts = whole | {name.partition("@")[0] for name in whole}
    return {part for part in parts if len(part) >= MIN_NAME_CHARS}


def _is_mostly_name(low: str, name: str) -> bool:
    """Whether the password is the name with a few characters around it, or the name again and again."""
    return name in low and len(low.replace(name, "")) < len(low) / 2


def _stem(low: str) -> str:
    """The word in front of digits and signs, read as people write it: `p4ssword2026!` is `password`."""
    return re.sub(r"[\d\W_]+$", "", re.sub(r"^[\d\W_]+", "", low)).translate(LEET)


def _is_sequence(low: str) -> bool:
    """Whether each character follows the one before it in the alphabet, or goes before it."""
    steps = {ord(after) - ord(before) for before, after in pairwise(low)}
    return steps in ({1}, {-1})
