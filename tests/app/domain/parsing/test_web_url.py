"""Addresses go over the wire as they were written."""

import pytest
from hypothesis import given, strategies as st

from app.domain.parsing.hosts import wire_host
from app.domain.parsing.web_url import parse_url, resolve_redirect, with_query

BASE = "http://here.test/a/b?c=d"


@pytest.mark.parametrize(
    "target",
    [
        "/x?type=application%2Fgzip&sig=a%3D%2C%27",
        "/%41%2F",
        "/%7euser/%C3%a9",
        "/a/../b/./c",
        "/a//b",
        "/a;b=c,d:e@f!$&()*+~'",
        "/?a[]=1&b='c'&d=+",
        "/x?",
        "/x?a=b?c=d/e",
        "/?url=https://other.test/%3Fq",
    ],
)
def test_an_address_is_sent_byte_for_byte(target):
    url = parse_url(f"http://here.test{target}#fragment")
    assert url.raw_path_qs == target
    assert str(url) == f"http://here.test{target}"


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/café", "/caf%C3%A9"),
        ("/a b?c d", "/a%20b?c%20d"),
        ('/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("/100%?q=5%zz%4", "/100%25?q=5%25zz%254"),
        ("", "/"),
        ("?a=b", "/?a=b"),
        ("/\ud800\x7f", "/%3F%7F"),
    ],
)
def test_only_characters_invalid_in_urls_are_percent_encoded(written, sent):
    assert parse_url(f"http://here.test{written}").raw_path_qs == sent


@pytest.mark.parametrize(
    ("written", "host"),
    [("http://Bücher.TEST/", "xn--bcher-kva.test"), ("http://[::1]:8080/", "::1"), ("HTTPS://here.test", "here.test")],
)
def test_a_host_is_written_as_names_are(written, host):
    assert parse_url(written).raw_host == host


@pytest.mark.parametrize(
    "text", ["", "/a", "here.test/a", "http://", "http:///a", "http://[bad/", "http://:80/", "://x"]
)
def test_invalid_urls_are_rejected(text):
    with pytest.raises(ValueError, match=r".*"):
        parse_url(text)


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("/x%2Fy?z=%3D", "http://here.test/x%2Fy?z=%3D"),
        ("x", "http://here.test/a/x"),
        ("../x", "http://here.test/x"),
        ("../../../x", "http://here.test/x"),
        ("./x/./y/..", "http://here.test/a/x/"),
        ("?q", "http://here.test/a/b?q"),
        ("?", "http://here.test/a/b?"),
        ("#f", "http://here.test/a/b?c=d"),
        ("/x#f", "http://here.test/x"),
        ("//other.test/x", "http://other.test/x"),
        ("https://other.test:8443", "https://other.test:8443/"),
        ("HTTP://me:secret@other.test/x", "http://other.test/x"),
        ("http:/x", "http://here.test/x"),
        ("/a\tb c", "http://here.test/ab%20c"),
        ("/caf%E9", "http://here.test/caf%E9"),
        ("/x:y", "http://here.test/x:y"),
    ],
)
def test_a_redirect_is_resolved_against_its_base(location, leads):
    assert str(resolve_redirect(parse_url(BASE), location)) == leads


@pytest.mark.parametrize(
    "location",
    ["ftp://here.test/", "file:///etc/passwd", "javascript:1", "http://", "https:/x", "http://[::", "a" * 70_000],
)
def test_a_redirect_to_no_web_address_is_refused(location):
    with pytest.raises(ValueError, match=r".*"):
        resolve_redirect(parse_url(BASE), location)


RFC_3986_5_4 = {
    "g:h": "",
    "g": "/b/c/g",
    "./g": "/b/c/g",
    "g/": "/b/c/g/",
    "/g": "/g",
    "?y": "/b/c/d;p?y",
    "g?y": "/b/c/g?y",
    "#s": "/b/c/d;p?q",
    "g#s": "/b/c/g",
    ";x": "/b/c/;x",
    "g;x": "/b/c/g;x",
    "": "/b/c/d;p?q",
    ".": "/b/c/",
    "./": "/b/c/",
    "..": "/b/",
    "../": "/b/",
    "../g": "/b/g",
    "../..": "/",
    "../../": "/",
    "../../g": "/g",
    "../../../g": "/g",
    "../../../../g": "/g",
    "/./g": "/g",
    "/../g": "/g",
    "g.": "/b/c/g.",
    ".g": "/b/c/.g",
    "g..": "/b/c/g..",
    "..g": "/b/c/..g",
    "./../g": "/b/g",
    "./g/.": "/b/c/g/",
    "g/./h": "/b/c/g/h",
    "g/../h": "/b/c/h",
    "g;x=1/./y": "/b/c/g;x=1/y",
    "g;x=1/../y": "/b/c/y",
    "g?y/./x": "/b/c/g?y/./x",
}


@pytest.mark.parametrize(("reference", "leads"), RFC_3986_5_4.items())
def test_references_are_read_as_their_standard_shows(reference, leads):
    if leads:
        assert resolve_redirect(parse_url("http://a/b/c/d;p?q"), reference).raw_path_qs == leads
    else:
        with pytest.raises(ValueError, match="not a web address"):
            resolve_redirect(parse_url("http://a/b/c/d;p?q"), reference)


@given(st.text(max_size=60))
def test_any_location_leads_to_a_web_address_or_is_refused(location):
    try:
        url = resolve_redirect(parse_url(BASE), location)
    except ValueError:
        return
    assert url.scheme in {"http", "https"}
    assert url.raw_host
    assert str(url).isascii()
    assert str(url).isprintable()
    assert url.raw_user is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://h.test/w", "https://h.test/w?wait=true"),
        ("https://h.test/w?sig=a%2Fb", "https://h.test/w?sig=a%2Fb&wait=true"),
        ("https://h.test/w?wait=false&x=%41#f", "https://h.test/w?x=%41&wait=true"),
    ],
)
def test_a_query_gets_one_more_field_and_stays_as_it_is(address, expected):
    assert with_query(address, {"wait": "true"}) == expected


@pytest.mark.parametrize(
    "host", ["straße.test", "💩.la", "日本。test", "a\u200db.example", "İstanbul.example", "ς.example"]
)
def test_a_host_is_encoded_by_the_rule_of_all_hosts(host):
    assert parse_url(f"https://{host}:8443/x").raw_host == wire_host(host).lower()
    assert resolve_redirect(parse_url(BASE), f"https://{host}/").raw_host == wire_host(host).lower()
