"""Addresses in texts: found whole, without the marks of the sentence around them, and never cut in half."""

import pytest
from hypothesis import given as for_any, strategies as st

from app.domain.parsing.addresses import end_without_half_an_address, split_addresses
from app.domain.parsing.plain_text import truncate

FOUND = [
    ("see https://wiki.example/run_book_v2?x=(1).", ["https://wiki.example/run_book_v2?x=(1)"]),
    ("(https://a.example/b)", ["https://a.example/b"]),
    ("https://a.example/b_", ["https://a.example/b_"]),
    ("https://a.example/b-, HTTP://B.example!", ["https://a.example/b-", "HTTP://B.example"]),
    ("https://a.example/[1] [https://a.example/2]", ["https://a.example/[1]", "https://a.example/2"]),
    ("http://[::1]:8080/x http://10.0.0.1:80", ["http://[::1]:8080/x", "http://10.0.0.1:80"]),
    ("https://ann:pw@a.example/@x~y#z", ["https://ann:pw@a.example/@x~y#z"]),
    ("https://müller.example/straße", ["https://müller.example/straße"]),
    ("<https://a.example/x|label>", ["https://a.example/x"]),
    ('href="https://a.example/x"', ["https://a.example/x"]),
    ("https://a.example/x…", ["https://a.example/x"]),
    ("http:// https://? xhttps://a.example ftp://a.example a.example", []),
]


@pytest.mark.parametrize(("text", "addresses"), FOUND)
def test_addresses_are_found_without_the_sentence_around_them(text: str, addresses: list[str]) -> None:
    assert [part.text for part in split_addresses(text) if part.is_address] == addresses


@for_any(st.text(alphabet="htps:/.a1_-~()[]@?#&;*<>\"' \né…"))
def test_the_parts_are_the_text(text: str) -> None:
    parts = split_addresses(text)
    assert "".join(part.text for part in parts) == text
    assert all(part.text for part in parts)


@for_any(st.integers(1, 120))
def test_a_cut_leaves_an_address_whole_or_out(limit: int) -> None:
    text = "Backup failed, see https://ann:pw@wiki.example/run..book?x=(1)_ and https://b.example/2 or ask."
    short = truncate(text, limit)
    kept = [part.text for part in split_addresses(short) if part.is_address]
    assert len(short) <= max(limit, 1)
    assert kept == [part.text for part in split_addresses(text) if part.is_address][: len(kept)]
    assert text.startswith(short.removesuffix("…"))


def test_a_cut_between_words_stays() -> None:
    assert end_without_half_an_address("no answer", 4) == 4
