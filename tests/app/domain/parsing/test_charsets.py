"""Charset names, and how browsers decode their bytes."""

import codecs

import pytest
from hypothesis import given, strategies as st

from app.domain.parsing import charsets
from app.domain.parsing.charset_labels import CODECS, LABELS

# Bytes that Python's codec of that name does not read, or reads otherwise; from the Encoding standard's indexes.
DIFFERENCES = [
    ("windows-1252", b"\x80\x81\x9d", "€\x81\x9d"),
    ("iso-8859-1", b"\x80\x93x\x94", "€“x”"),
    ("windows-874", b"\x80\x81\xa1\xdb", "€\x81ก\ufffd"),
    ("tis-620", b"\xa1\xd2\xc3", "การ"),
    ("windows-1253", b"\xaa\xc1", "\ufffd\u0391"),
    ("windows-1255", b"\xe0\xd9", "א\ufffd"),
    ("koi8-u", b"\xae\xbe\xa4", "ўЎє"),
    ("macintosh", b"\x8e\xdb\xf0", "é€\uf8ff"),
    ("x-mac-cyrillic", b"\xa2\xb6\xff", "Ґґ€"),
    ("iso-8859-8-i", b"\xf9\xec\xe5\xed", "שלום"),
    ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
    ("gb2312", b"\xd6\xd0\x80\x95\x32\x82\x36", "中€𠀀"),
    ("gb2312", b"\xa8\xbc\xa6\xd9\xa6\xda\xfe\x59", "ḿ︐︒龴"),
    ("big5", b"\xa4\xa4\xa1\x45\xa3\xe1\xf9\xfe", "中‧€▓"),
    ("big5-hkscs", b"\x87\x40", "䏰"),
    ("windows-31j", b"\x87\x40\xfa\x54\x81\x60", "①￢\uff5e"),
    ("x-sjis", b"\x93\xfa\x96\x7b\xb1", "日本ｱ"),
    ("euc-jp", b"\xc6\xfc\xcb\xdc\xad\xa1\xa1\xc1\xa1\xdd\x8e\xb1", "日本①\uff5e\uff0dｱ"),
    ("euc-jp", b"\xfc\xf1\xf9\xa1\x8f\xb0\xa1", "ⅰ纊丂"),
    ("iso-2022-jp", b"\x1b$BF|K\\-!\x1b(B!\x1b(J~\x1b(I1", "日本①!‾ｱ"),
    ("ks_c_5601-1987", b"\x81\x41\xb0\xa1", "갂가"),
    ("utf-16", "aü".encode("utf-16-le"), "aü"),
    ("unicodefffe", "aü".encode("utf-16-be"), "aü"),
    ("utf-32", "aü".encode("utf-32-le"), "aü"),
    ("iso-2022-kr", b"\x1b$)C\x0e", "\ufffd"),
    ("hz-gb-2312", b"~{VP~}" * 10_000, "\ufffd"),
    ("utf-8", b"\xc3\xbc\xff", "ü\ufffd"),
]


def text_of(body: bytes, charset: str = "", **how) -> str:
    return "".join(charsets.decode_pieces(body, charset, **how))


@pytest.mark.parametrize(("label", "body", "text"), DIFFERENCES)
def test_bytes_mean_what_they_mean_to_browsers(label, body, text):
    assert text_of(body, charsets.standard_name(label)) == text


def test_every_label_is_of_one_charset_that_can_be_read():
    labels = [label for some in LABELS.values() for label in some.split()]
    assert len(set(labels)) == len(labels)
    assert all(label == label.lower() for label in labels)
    assert {text_of(b"", charsets.standard_name(label)) for label in labels} == {""}


@pytest.mark.parametrize("label", ["UTF8", " 'iso-8859-1' ", '"windows-31J"', "\tKS_C_5601-1987\n", "Shift-JIS"])
def test_labels_are_known_in_capitals_in_blanks_and_in_quotes(label):
    assert charsets.standard_name(label)


@pytest.mark.parametrize("label", ["", "punycode", "idna", "utf-7", "rot13", "unicode_escape", "zlib", "x" * 100_000])
def test_labels_that_name_no_text_charset_are_rejected(label):
    assert charsets.standard_name(label) == ""


@pytest.mark.parametrize(
    ("body", "text"),
    [(b"", ""), (b"gr\xc3\xbc\xc3\x9fe", "grüße"), (b"gr\xfc\xdfe \x80", "grüße €"), (b"\xc3\xbc \xfc", "Ã¼ ü")],
)
def test_without_a_declaration_it_is_utf_8_or_else_windows_1252(body, text):
    assert text_of(body) == text


def test_half_a_character_where_we_stopped_reading_is_nobodys_mistake():
    assert text_of("grün".encode()[:3], whole=False) == "gr"
    assert text_of("grün".encode()[:3]) == "grÃ"


@given(st.sampled_from(list(LABELS)), st.binary(max_size=40), st.integers(0, 40))
def test_any_bytes_are_read_in_any_charset_piece_by_piece_as_at_once(name, body, cut):
    at_once, read = text_of(body, name), charsets.piece_decoder(name)
    assert read(body[:cut], False) + read(body[cut:], True) == at_once


@pytest.mark.parametrize("name", LABELS)
def test_a_long_body_is_read_as_its_pieces(name):
    body = "aあ".encode() * 20_000
    assert text_of(body, name) == charsets.piece_decoder(name)(body, True)


LETTERS = [chr(number) for number in range(0x21, 0x9FA0) if chr(number).isalpha()]


def writes(codec: str, letter: str) -> bool:
    try:
        letter.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


ENCODED = {name: CODECS.get(name, name) for name in LABELS if name not in {"replacement", "x-user-defined"}}


@pytest.mark.parametrize("name", ENCODED)
def test_letters_of_a_charset_are_read_as_they_were_written(name):
    """Python writes them; what the standard reads otherwise is in the table above."""
    text = "".join(one for one in LETTERS if writes(ENCODED[name], one))
    assert len(text) > 60
    assert text_of(codecs.encode(text, ENCODED[name]), name) == text
