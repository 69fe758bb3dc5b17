"""Addresses with names, as people write them."""

import pytest

from app.domain.parsing.mailboxes import MailAddress, parse_mailbox


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("watch@example.org", "watch@example.org", ""),
        (" watch@example.org\n", "watch@example.org", ""),
        ("<watch@example.org>", "watch@example.org", ""),
        ("Watchkeeper <watch@example.org>", "watch@example.org", "Watchkeeper"),
        ("Watchkeeper<watch@example.org>", "watch@example.org", "Watchkeeper"),
        ("  Ops  team   <watch@example.org> ", "watch@example.org", "Ops team"),
        ('"Doe, Jane" <jane@example.org>', "jane@example.org", "Doe, Jane"),
        ("Doe, Jane <jane@example.org>", "jane@example.org", "Doe, Jane"),
        (r'"a \"b\" \\ c" <jane@example.org>', "jane@example.org", r"a \"b\" \ c".replace(r"\"", '"')),
        ('"" <jane@example.org>', "jane@example.org", ""),
        ('" <jane@example.org>', "jane@example.org", '"'),
        ("Überwachung 監視 <jane@example.org>", "jane@example.org", "Überwachung 監視"),
    ],
)
def test_a_mailbox_is_an_address_and_a_name(text: str, address: str, name: str) -> None:
    assert parse_mailbox(text) == MailAddress(address, name)
