"""How BER is written and read, and filters with it."""

import pytest
from hypothesis import given, strategies

from actors.probes.protocols.ber import (
    element,
    element_bounds,
    integer,
    octets,
    oid,
    parse_elements,
    parse_integer,
    parse_oid,
)
from actors.probes.protocols.ldap_filter import encode_filter

NAMES = strategies.lists(strategies.integers(0, 2**32), max_size=10).map(lambda rest: [1, 3, *rest])


@given(strategies.integers(-(2**70), 2**70))
def test_a_number_reads_as_it_was_written(value):
    assert parse_integer(parse_elements(integer(value))[0][1]) == value


@given(NAMES)
def test_an_objects_name_reads_as_it_was_written(name):
    text = ".".join(map(str, name))
    assert parse_oid(parse_elements(oid(text))[0][1]) == text


@given(strategies.lists(strategies.binary(max_size=300), max_size=5))
def test_elements_in_a_row_read_as_they_were_written(bodies):
    assert [body for _, body in parse_elements(b"".join(map(octets, bodies)))] == bodies


@given(strategies.binary(max_size=80))
def test_any_bytes_are_elements_or_refused(data):
    try:
        found = parse_elements(data)
    except ValueError:
        return
    assert sum(len(body) for _, body in found) <= len(data)


@pytest.mark.parametrize("data", [b"\x30", b"\x30\x82", b"\x30\x82\x01"])
def test_too_little_is_no_header_yet(data):
    assert element_bounds(data) is None


def test_a_long_element_has_a_long_length():
    assert element_bounds(element(0x30, b"a" * 300)) == (4, 304)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(cn=*)", b"\x87\x02cn"),
        ("cn=a", b"\xa3\x07\x04\x02cn\x04\x01a"),
        ("(cn=a*)", b"\xa4\x09\x04\x02cn\x30\x03\x80\x01a"),
        (r"(cn=\2a)", b"\xa3\x07\x04\x02cn\x04\x01*"),
        ("(!(a>=1))", b"\xa2\x08\xa5\x06\x04\x01a\x04\x011"),
        ("(&)", b"\xa0\x00"),
    ],
)
def test_a_filter_is_encoded_as_in_the_rfc(text, found):
    assert encode_filter(text) == found


@pytest.mark.parametrize(
    "text", ["(", ")", "()", "(cn)", "(cn=a", "(cn=a))", "(!(a=1)(b=2))", "(&(a=1)b)", "(!" * 50, "((a=1))"]
)
def test_a_filter_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        encode_filter(text)


@given(strategies.text(alphabet="()&|!*=\\a2", max_size=40))
def test_any_text_is_a_filter_or_refused(text):
    try:
        found = encode_filter(text)
    except ValueError:
        return
    assert parse_elements(found)
