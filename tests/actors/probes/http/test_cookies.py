"""Cookies are stored for one check and sent only to the host that set them."""

import pytest
from yarl import URL

from actors.probes.http.cookies import MAX_COOKIE_CHARS, MAX_COOKIES, MAX_HEADER_CHARS, CookieJar
from schema.status import Status
from schema.targets import Http, Website
from tests.actors.probes.target import answering, serving

UP, DOWN = Status.UP, Status.DOWN
HERE = URL("https://shop.example.org/a/b")


async def asking_for_a_cookie(head, writer):
    """Accepts clients that send the cookie it sets."""
    if b"sess=1" in head:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin")
    else:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\nSet-Cookie: sess=1\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("kind", [Http, Website])
async def test_a_site_that_sets_a_cookie_and_redirects_comes_up(check, kind):
    async with serving(asking_for_a_cookie) as target:
        assert (await check(kind(url=target.url()))).status is UP
        assert (await check(kind(url=target.url()))).status is UP
    with_cookie = ["\r\nCookie: sess=1\r\n" in head for head in target.heads]
    assert with_cookie == [False, True, False, True]  # the second check begins without


async def test_another_origin_gets_none_of_them(check):
    async with serving(answering()) as other:
        away = answering(b"", "302 Found", headers=f"Location: {other.url()}\r\nSet-Cookie: sess=1\r\n")
        async with serving(away) as target:
            assert (await check(Http(url=target.url(), headers={"Cookie": "own=1"}))).status is UP
    assert "cookie" not in other.heads[0].lower()


async def test_the_monitors_own_cookies_go_along_and_are_replaced(check):
    async with serving(asking_for_a_cookie) as target:
        outcome = await check(Http(url=target.url(), headers={"cookie": "sess=0; lang=de"}))
    assert outcome.status is UP
    assert "\r\ncookie: sess=0; lang=de\r\n" in target.heads[0]
    assert "\r\nCookie: sess=1; lang=de\r\n" in target.heads[1]


@pytest.mark.parametrize(
    ("header", "url", "sent"),
    [
        ("a=1", "https://shop.example.org/a/c", "a=1"),
        ("a=1", "https://shop.example.org/", ""),  # its path is /a
        ("a=1; Path=/", "https://shop.example.org/", "a=1"),
        ("a=1; path=/a/", "https://shop.example.org/a/x", "a=1"),
        ("a=1; path=/a", "https://shop.example.org/ab", ""),
        ("a=1; Path=/", "http://shop.example.org/", ""),
        ("a=1; Path=/", "https://shop.example.org:8443/", ""),
        ("a=1; Path=/", "https://example.org/", ""),
        ("a=1; Path=/; Domain=.example.org", "https://www.example.org/", "a=1"),
        ("a=1; Path=/; Domain=example.org", "https://example.org/", "a=1"),
        ("a=1; Path=/; Domain=org", "https://example.org/", ""),
        ("a=1; Path=/; Domain=other.test", "https://other.test/", ""),
        ("a=1; Path=/; Domain=ple.org", "https://ple.org/", ""),
        ("a=1; Path=/; Max-Age=0", "https://shop.example.org/", ""),
        ("a=1; Path=/; Max-Age=60", "https://shop.example.org/", "a=1"),
        ("a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "https://shop.example.org/", ""),
        ("a=1; Path=/; Expires=Fri, 31 Dec 9999 23:59:59 GMT", "https://shop.example.org/", "a=1"),
        ("a=1; Path=/; Expires=soon", "https://shop.example.org/", "a=1"),
        ('a="1=2"; Path=/', "https://shop.example.org/", 'a="1=2"'),
        ("a=; Path=/", "https://shop.example.org/", "a="),
        ("=1; Path=/", "https://shop.example.org/", ""),
        ("a; Path=/", "https://shop.example.org/", ""),
        ("a=\x01; Path=/", "https://shop.example.org/", ""),
        ("", "https://shop.example.org/", ""),
    ],
)
def test_a_cookie_goes_where_it_belongs(header, url, sent):
    cookies = CookieJar(HERE)
    cookies.update(HERE, [header])
    assert cookies.header_for(URL(url)) == sent


def test_a_cookie_goes_along_from_http_to_https_of_the_same_host_and_not_back():
    plain, safe = URL("http://example.org/"), URL("https://example.org/")
    cookies = CookieJar(plain)
    cookies.update(plain, ["a=1"])
    assert cookies.header_for(safe) == "a=1"
    cookies.update(safe, ["b=2; Secure"])
    assert cookies.header_for(safe) == "a=1; b=2"
    assert cookies.header_for(plain) == "a=1"


def test_an_address_of_numbers_is_no_domain():
    cookies, url = CookieJar(URL("http://10.0.0.1/")), URL("http://10.0.0.1/")
    cookies.update(url, ["a=1; Domain=0.0.1", "b=2; Domain=10.0.0.1"])
    assert cookies.header_for(url) == "b=2"


def test_an_expired_cookie_is_removed():
    cookies = CookieJar(HERE, "own=1")
    cookies.update(HERE, ["a=1", "a=; Max-Age=-1", "own=; Path=/; Max-Age=0"])
    assert cookies.header_for(HERE) == ""


def test_cookies_are_bounded():
    cookies = CookieJar(HERE)
    cookies.update(HERE, [f"c{n}={'x' * 1_000}; Path=/" for n in range(1_000)])
    assert len(cookies._kept) == MAX_COOKIES
    assert len(cookies.header_for(HERE)) <= MAX_HEADER_CHARS
    cookies.update(HERE, [f"long={'x' * MAX_COOKIE_CHARS}"])
    assert "long" not in cookies.header_for(HERE)
