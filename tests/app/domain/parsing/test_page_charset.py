"""Which source determines the charset of a body."""

import codecs

import pytest
from hypothesis import given, strategies as st

from app.domain.parsing import page_charset

HTML, PLAIN = "text/html", "text/plain"


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html;charset=ISO-8859-1", "windows-1252"),
        ("text/html; charset='iso-8859-1'", "windows-1252"),
        ('text/html; charset="windows-949"; x=y', "euc-kr"),
        ('text/html; charset="windows-949', "euc-kr"),
        ("text/html; CharSet = Windows-31J ; x", "shift_jis"),
        ("application/json, text/html; charset=koi8-r", "koi8-r"),
        ("text/html; charset=utf-8, text/html; charset=utf-8", "utf-8"),
        ("text/html; charset=punycode", ""),
        ("text/html; charset=", ""),
        ("text/html", ""),
        ("", ""),
    ],
)
def test_the_header_declares_it(content_type, charset):
    assert page_charset.detect_charset(b"x", content_type) == (charset, 0)


@pytest.mark.parametrize(
    ("page", "charset"),
    [
        (b'<meta charset="gb2312">', "gbk"),
        (b"<META CharSet=gb2312>", "gbk"),
        (b"<meta charset='gb2312'/>", "gbk"),
        (b"<html><head><title>a</title><meta name=x content=y><meta charset = big5 >", "big5"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=euc-jp">', "euc-jp"),
        (b"<meta content='text/html;charset=euc-jp' http-equiv=content-type>", "euc-jp"),
        (b'<meta content="text/html; charset=euc-jp">', ""),
        (b"<!-- <meta charset=gb2312> --><meta charset=koi8-r>", "koi8-r"),
        (b"<!--> <meta charset=gb2312>", "gbk"),
        (b"<!-- <meta charset=gb2312>", ""),
        (b'<a title="<meta charset=gb2312>"><meta charset=koi8-r>', "koi8-r"),
        (b"<!doctype html><?php x ?></b x='>'><meta charset=koi8-r>", "koi8-r"),
        (b"<metal charset=gb2312>", ""),
        (b"<meta charset=nonsense><meta charset=koi8-r>", "koi8-r"),
        (b"<meta charset=utf-16>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b" " * 1_000 + b"<meta charset=gb2312>", "gbk"),
        (b" " * 1_024 + b"<meta charset=gb2312>", ""),
        (b'<?xml version="1.0" encoding="iso-8859-2"?><a/>', "iso-8859-2"),
        (b"<?xml version='1.0' encoding = 'Shift_JIS' standalone='yes'?><a/>", "shift_jis"),
        (b'<?xml version="1.0"?><a encoding="iso-8859-2"/>', ""),
        ('<?xml version="1.0"?>'.encode("utf-16-le"), "utf-16le"),
        ('<?xml version="1.0"?>'.encode("utf-16-be"), "utf-16be"),
        (b"1 < 2 and charset=gb2312", ""),
    ],
)
@pytest.mark.parametrize("kind", ["", HTML, "application/xhtml+xml", "application/rss+xml; x=y"])
def test_a_page_declares_it_in_its_first_kilobyte(page, charset, kind):
    assert page_charset.detect_charset(page, kind) == (charset, 0)


@pytest.mark.parametrize("kind", [PLAIN, "application/json", "text/css", "text/javascript"])
def test_charset_declarations_outside_of_html_are_ignored(kind):
    assert page_charset.detect_charset(b'{"a": "<meta charset=gb2312>"}', kind) == ("", 0)


@pytest.mark.parametrize(
    ("mark", "charset"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16le"),
        (codecs.BOM_UTF16_BE, "utf-16be"),
        (codecs.BOM_UTF32_LE, "utf-32le"),
        (codecs.BOM_UTF32_BE, "utf-32be"),
    ],
)
def test_a_mark_wins_over_a_header_and_a_header_over_a_page(mark, charset):
    page = b"<meta charset=gb2312>"
    assert page_charset.detect_charset(mark + page, "text/html; charset=koi8-r") == (charset, len(mark))
    assert page_charset.detect_charset(page, "text/html; charset=koi8-r") == ("koi8-r", 0)


PIECES = [b"<meta", b" charset", b"=", b'"', b"'", b"gb2312", b">", b"<!--", b"-->", b"/", b"<", b" ", b"content", b";"]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=40).map(b"".join), st.text(max_size=20))
def test_no_page_and_no_header_breaks_the_search(page, content_type):
    charset, mark = page_charset.detect_charset(page, content_type)
    assert isinstance(charset, str)
    assert mark in {0, 2, 3, 4}


@pytest.mark.parametrize("piece", [*PIECES, b"<a ", b"<meta ", b"charset=", b"a=", b'a="'])
def test_no_page_makes_the_search_long(piece):
    """Bounded by the first kilobyte, whatever is repeated in it: the search ends."""
    assert page_charset.detect_charset(b"charset" + piece * 1_000_000, "")[1] == 0
