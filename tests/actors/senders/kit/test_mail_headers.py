"""Headers of e-mail, read again by the rules of RFC 5322 and RFC 2047."""

import re
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses

import pytest
from aiosmtplib.email import flatten_message
from hypothesis import given as for_any, strategies as st

from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.mail_headers import encode_text, header_address, mail_policy

LETTERS = st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs"), blacklist_characters="<>")
SPECIALS = st.sampled_from(' ",;:@()[]\\.ü=?')
NAMES = st.text(LETTERS | SPECIALS, max_size=150).map(lambda text: " ".join(text.split()))
LINK = "<https://watch.example.org/unsubscribe/" + "x" * 200 + ">"


def mail(**headers: object) -> EmailMessage:
    message = EmailMessage(policy=mail_policy())
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("x")
    return message


def header_of(raw: bytes, name: str) -> str:
    """The unfolded value of the only header of that name."""
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    values = re.findall(rf"^{name}: (.*)$", re.sub(r"\r\n(?=[ \t])", "", head), re.MULTILINE)
    assert len(values) == 1
    return str(values[0]).rstrip("\r")


def people_in(raw: bytes, name: str) -> list[tuple[str, str]]:
    pairs = getaddresses([header_of(raw, name)])
    return [(str(make_header(decode_header(shown))), address) for shown, address in pairs]


@for_any(NAMES, NAMES)
def test_any_name_arrives_with_its_own_address(first: str, second: str) -> None:
    people = [Address(first, "a", "example.org"), Address(second, "b", "example.org")]
    message = mail(From=people[0], To=people)
    for raw in (message.as_bytes(), flatten_message(message), flatten_message(message, utf8=True)):
        assert people_in(raw, "From") == [(first, "a@example.org")]
        assert people_in(raw, "To") == [(first, "a@example.org"), (second, "b@example.org")]
        assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
        assert all(len(word) <= 75 for word in re.findall(rb"=\?utf-8[^ ]*\?=", raw))


@for_any(NAMES.filter(bool))
def test_any_header_of_ones_own_arrives(value: str) -> None:
    sent = flatten_message(mail(X_Own=value))
    assert str(make_header(decode_header(header_of(sent, "X-Own")))) == str(make_header(decode_header(value)))
    assert str(make_header(decode_header(encode_text(value)))) == value


def test_a_long_link_stays_whole() -> None:
    assert header_of(flatten_message(mail(List_Unsubscribe=LINK)), "List-Unsubscribe") == LINK


@pytest.mark.parametrize("text", ["A <a\n@a.example>", "A <a@a\r.example>", "a\r\nBcc: b@a.example"])
def test_a_line_break_in_an_address_is_refused(text: str) -> None:
    with pytest.raises(DeliveryError) as failed:
        header_address(text)
    assert failed.value.permanent


def test_a_line_break_in_a_name_adds_no_header() -> None:
    raw = flatten_message(mail(From=header_address("a\r\nBcc: b.example\r\n <a@a.example>")))
    assert b"\r\nBcc" not in raw
    assert people_in(raw, "From") == [("a Bcc: b.example", "a@a.example")]
