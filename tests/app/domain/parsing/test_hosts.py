"""Hosts are normalized for requests or rejected with the reason."""

import pytest
from hypothesis import given, strategies as st

from app.domain.parsing.hosts import MAX_NAME_LENGTH, usable_host, wire_authority, wire_host, wire_mail_address


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("example.org", "example.org"),
        ("example.org.", "example.org."),
        ("Db_1.lan", "Db_1.lan"),
        ("192.0.2.1", "192.0.2.1"),
        ("127.1", "127.1"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("BÜCHER.test", "xn--bcher-kva.test"),
        ("straße.test", "xn--strae-oqa.test"),
        ("пример.test", "xn--e1afmkfd.test"),
        ("日本。test", "xn--wgv71a.test"),
        ("💩.la", "xn--ls8h.la"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("[2001:DB8::7]", "2001:DB8::7"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fe80::1%25eth0", "fe80::1%eth0"),
        ("[fe80::1%25en0.100]", "fe80::1%en0.100"),
        ("fe80::1%25", "fe80::1%25"),
        ("fe80::1%2", "fe80::1%2"),
    ],
)
def test_a_host_is_read_as_people_write_it(text, wire):
    assert wire_host(text) == usable_host(text) == wire


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("https://example.org", "without a scheme"),
        ("example.org:443", "without a port"),
        ("192.0.2.1:443", "without a port"),
        ("[::1]:443", "without a port"),
        ("example.org/path", "without '/'"),
        ("user@example.org", "without '@'"),
        ("two words", "without ' '"),
        ("a..b", "without empty parts"),
        (".a", "without empty parts between or before its dots"),
        ("a" * 64, "at most 63 characters each"),
        ("a." * 200, "at most 253 characters"),
        ("a$b", "without '$'"),
        ("a%b", "without '%'"),
        ("[example.org]", "brackets only around an IPv6 address"),
        ("1:2:3", "this is not an IPv6 address"),
        ("fe80::1%", "this is not an IPv6 address"),
        ("fe80::1%a b", "this is not an IPv6 address"),
        ("a\u202eb", "letters that host names can't have"),
        ("\u00ad", "letters that host names can't have"),
    ],
)
def test_invalid_hosts_are_rejected_with_a_reason(text, message):
    with pytest.raises(ValueError, match=r"^must (be|have) ") as raised:
        wire_host(text)
    assert message in str(raised.value)
    assert usable_host(text) == text


@given(st.text(max_size=300) | st.text("ab-_.:[]%ßü0123456789", max_size=40))
def test_normalized_hosts_are_ascii_and_stable(text):
    try:
        wire = wire_host(text)
    except ValueError:
        return
    assert wire.isascii()
    assert len(wire.partition("%")[0]) <= MAX_NAME_LENGTH
    assert wire_host(wire) == wire
    assert not set(wire) & set(" \r\n\t/@?#[]")


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("info@müller.example", "info@xn--mller-kva.example"),
        (" info@MÜLLER.example\n", "info@xn--mller-kva.example"),
        ("müller@bücher.test", "müller@xn--bcher-kva.test"),
        ('"a@b"@straße.test', '"a@b"@xn--strae-oqa.test'),
        ("Info@Home.example", "Info@Home.example"),
        ("ops@[192.0.2.1]", "ops@[192.0.2.1]"),
        ("ops@[IPv6:2001:db8::1]", "ops@[IPv6:2001:db8::1]"),
        ("ops@not a domain ü", "ops@not a domain ü"),
    ],
)
def test_a_mail_address_has_its_domain_in_ascii(text: str, wire: str) -> None:
    assert wire_mail_address(text) == wire


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("bücher.test", "xn--bcher-kva.test"),
        ("bücher.test:8080", "xn--bcher-kva.test:8080"),
        ("jö@pass@straße.test:1", "jö@pass@xn--strae-oqa.test:1"),
        ("[::1]:8080", "[::1]:8080"),
        ("Here.test", "Here.test"),
    ],
)
def test_an_authority_has_its_host_in_ascii(text: str, wire: str) -> None:
    assert wire_authority(text) == wire
