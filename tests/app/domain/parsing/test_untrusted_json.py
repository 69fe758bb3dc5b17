"""JSON from outside, in any encoding and depth."""

import json

import pytest
from hypothesis import given, strategies as st

from app.domain.parsing import untrusted_json

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
# utf-8-sig, utf-16 and utf-32 begin with a byte order mark
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(document=DOCUMENTS, plain=st.booleans())
def test_every_encoding_that_json_ever_had_is_read(encoding, document, plain):
    raw = json.dumps(document, ensure_ascii=plain).encode(encoding)
    assert untrusted_json.decode(raw) == untrusted_json.decode(bytearray(raw)) == document
    assert untrusted_json.decode_as(raw, object) == document


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_mark_of_the_other_order_is_read(order):
    name = "utf-16-le" if order == "little" else "utf-16-be"
    assert untrusted_json.decode("\ufeff[1e30]".encode(name)) == [1e30]


@given(st.binary(max_size=40) | st.sampled_from(["{", '{"a":1}']).map(lambda text: text.encode("utf-16")[:-1]))
def test_invalid_json_raises_only_value_and_recursion_errors(raw):
    try:
        untrusted_json.decode(raw)
    except (ValueError, RecursionError):
        return
    json.loads(raw)  # then it is JSON to others, too


@pytest.mark.parametrize("raw", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\0\0\0\0", b"\xef\xbb\xbf\xef\xbb\xbf{}"])
def test_a_mark_alone_or_twice_is_no_json(raw):
    with pytest.raises(ValueError):  # noqa: PT011  # whatever its words are
        untrusted_json.decode(raw)
