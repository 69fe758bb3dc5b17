"""Checks of HTTP addresses."""

import gzip
import zlib

import pytest

from actors.probes.http.expectations import accepted_statuses
from schema.heartbeat_texts import heartbeat_text
from schema.status import Status
from schema.targets import Http, HttpBasicAuth, HttpBearerAuth, Method, Website
from schema.targets.http import Encoding
from tests.actors.probes.target import answering, redirecting, serving

UP, DOWN, DEGRADED = Status.UP, Status.DOWN, Status.DEGRADED


@pytest.mark.parametrize(
    ("codes", "inside", "outside"),
    [
        (("204",), {204}, {200, 203, 205}),
        (("2XX",), {200, 299}, {199, 300}),
        (("4xx", "200"), {200, 400, 499}, {201, 500}),
        (("200-299",), {200, 250, 299}, {199, 300}),
        (("301-301",), {301}, {302}),
    ],
)
def test_codes_classes_and_ranges_define_good_responses(codes, inside, outside):
    assert inside <= accepted_statuses(codes)
    assert not outside & accepted_statuses(codes)


@pytest.mark.parametrize(
    ("status", "codes", "expected_status"),
    [
        ("200 OK", ["2XX"], UP),
        ("204 No Content", ["2XX"], UP),
        ("404 Not Found", ["2XX"], DOWN),
        ("404 Not Found", ["404"], UP),
        ("503 Service Unavailable", ["200-299", "301"], DOWN),
    ],
)
async def test_the_status_decides_and_is_the_message(check, status, codes, expected_status):
    async with serving(answering(b"", status=status)) as target:
        outcome = await check(Http(url=target.url(), accepted_statuscodes=codes))
    assert outcome.status is expected_status
    assert heartbeat_text(outcome.code) == status
    assert outcome.message == ("" if expected_status is UP else f"{status}, expected {', '.join(codes)}")


@pytest.mark.parametrize(
    ("keyword", "invert", "expected_status"),
    [("grüße", False, UP), ("gone", False, DOWN), ("gone", True, UP), ("grüße", True, DOWN)],
)
@pytest.mark.parametrize(
    ("packed", "headers"),
    [
        (lambda raw: raw, "Content-Type: text/plain; charset=utf-8\r\n"),
        (gzip.compress, "Content-Encoding: gzip\r\n"),
        (lambda raw: gzip.compress(raw[:3]) + gzip.compress(raw[3:]), "Content-Encoding: GZIP\r\n"),
        (zlib.compress, "Content-Encoding: deflate\r\n"),
        (lambda raw: zlib.compress(raw, wbits=-15), "Content-Encoding: deflate\r\n"),
        (lambda raw: raw.decode().encode("latin-1"), "Content-Type: text/html; charset=ISO-8859-1\r\n"),
        (lambda raw: raw, "Content-Type: text/html; charset=punycode\r\n"),
    ],
)
async def test_keywords_are_found_in_every_content_coding(check, packed, headers, keyword, invert, expected_status):
    async with serving(answering(packed("viele grüße".encode()), headers=headers)) as target:
        outcome = await check(Http(url=target.url(), keyword=keyword, invert_keyword=invert))
    assert (outcome.status, outcome.code) == (expected_status, 200)


async def test_a_slow_answer_is_degraded(check):
    async with serving(answering(after_s=0.05)) as target:
        outcome = await check(Http(url=target.url(), degraded_after=0.01))
        swift = await check(Http(url=target.url(), degraded_after=4.0))
    assert (outcome.status, swift.status) == (DEGRADED, UP)
    assert "later than 0.01 s" in outcome.message


@pytest.mark.parametrize("method", list(Method))
async def test_method_headers_and_body_arrive_as_written(check, method):
    async with serving(answering()) as target:
        wanted = Http(url=target.url("/a?b=c"), method=method, headers={"X-One": "1", "User-Agent": "me"}, body="words")
        outcome = await check(wanted)
    (head,) = target.heads
    assert outcome.status is UP
    assert head.startswith(f"{method} /a?b=c HTTP/1.1\r\n")
    assert {"X-One: 1", "User-Agent: me", "Content-Length: 5"} <= set(head.split("\r\n"))


@pytest.mark.parametrize(
    ("auth", "line"),
    [
        (HttpBasicAuth(username="ann", password="pä"), "Authorization: Basic YW5uOnDDpA=="),
        (HttpBearerAuth(token="t0ken"), "Authorization: Bearer t0ken"),
    ],
)
async def test_credentials_are_sent(check, auth, line):
    async with serving(answering()) as target:
        await check(Http(url=target.url(), auth=auth))
    assert line in target.heads[0]


async def test_credentials_and_custom_headers_are_sent_only_to_their_host(check):
    async with serving(answering(), host="localhost") as untrusted, serving(redirecting(untrusted.url("/x"))) as target:
        headers = {"X-Api-Key": "s3cret", "Cookie": "a=b", "Accept-Language": "de"}
        outcome = await check(Http(url=target.url(), headers=headers, auth=HttpBearerAuth(token="s3cret")))
    assert outcome.status is UP
    assert target.heads[0].count("s3cret") == 2
    assert "s3cret" not in untrusted.heads[0]
    assert "Cookie" not in untrusted.heads[0]
    assert "Accept-Language: de" in untrusted.heads[0]


async def test_a_redirect_is_the_answer_when_none_may_be_followed(check):
    async with serving(redirecting("/next")) as target:
        outcome = await check(Http(url=target.url(), max_redirects=0, accepted_statuscodes=["302"]))
    assert (outcome.status, outcome.code, len(target.heads)) == (UP, 302, 1)


@pytest.mark.parametrize("allowed", [1, 3])
async def test_endless_redirects_end_at_the_limit(check, allowed):
    async with serving(redirecting("/again")) as target:
        outcome = await check(Http(url=target.url(), max_redirects=allowed))
    assert (outcome.status, outcome.message) == (DOWN, f"more than {allowed} redirects")
    assert len(target.heads) == allowed + 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://[bad/"])
async def test_a_redirect_to_no_http_address_is_a_failure(check, location):
    async with serving(redirecting(location)) as target:
        outcome = await check(Http(url=target.url()))
    assert (outcome.status, outcome.message) == (DOWN, "redirected to something that is no http address")


async def test_detail_is_recorded_on_request_and_for_failures(check):
    headers = "X-Kind: web\r\nSet-Cookie: session=abc\r\n" + "".join(f"X-{n}: {'v' * 400}\r\n" for n in range(60))
    async with serving(answering(headers=headers)) as target:
        plain = await check(Http(url=target.url()))
        detailed = await check(Http(url=target.url()), detailed=True)
        early = await check(Http(url=target.url()), early=True)
    assert plain.detail is None
    assert list(detailed.detail) == list(early.detail) == ["status_code", "headers", "timings"]
    assert detailed.detail["headers"] == early.detail["headers"]
    assert detailed.detail["headers"] | {"X-Kind": "web", "Set-Cookie": "********"} == detailed.detail["headers"]
    assert len(detailed.detail["headers"]) == 40
    assert max(map(len, detailed.detail["headers"].values())) == 300


@pytest.mark.parametrize("headers", [{"X-Bad": "a\r\nX-Injected: b"}, {"X Bad\n": "a"}])
async def test_a_request_that_can_not_be_written_is_not_the_targets_failure(check, headers):
    async with serving(answering()) as target:
        outcome = await check(Http(url=target.url(), headers=headers))
    assert outcome.status is Status.UNKNOWN
    assert target.heads == []


async def test_an_address_with_an_impossible_port_is_not_the_targets_failure(check):
    assert (await check(Http(url="http://127.0.0.1:99999/"))).status is Status.UNKNOWN


@pytest.mark.parametrize("path", ["/x?type=application%2Fgzip&sig=a%3D%2C%27", "/%41%2F", "/a/../b?", "/?a[]=%zz"])
@pytest.mark.parametrize("kind", [Http, Website])
async def test_an_address_is_requested_as_configured(check, kind, path):
    async with serving(answering()) as target:
        assert (await check(kind(url=target.url(path)))).status is UP
    assert target.heads[0].split(" ", 2)[1] == path.replace("%zz", "%25zz")


@pytest.mark.parametrize(
    ("location", "requested"),
    [
        (b"/caf\xe9", "/caf%E9"),
        ("/café".encode(), "/caf%C3%A9"),
        (b"/x%2Fy?sig=%41%3d", "/x%2Fy?sig=%41%3d"),
        (b"/a b", "/a%20b"),
    ],
)
async def test_a_redirect_is_followed_byte_for_byte(check, location, requested):
    async def script(head, writer):
        if head.startswith(b"GET / "):
            writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with serving(script) as target:
        assert (await check(Http(url=target.url()))).status is UP
    assert target.heads[1].split(" ", 2)[1] == requested


@pytest.mark.parametrize("method", [Method.POST, Method.PUT, Method.PATCH, Method.DELETE])
@pytest.mark.parametrize("encoding", [None, Encoding.JSON])
async def test_a_request_without_a_body_has_no_content_type(check, method, encoding):
    async with serving(answering()) as target:
        assert (await check(Http(url=target.url(), method=method, encoding=encoding))).status is UP
        assert (await check(Website(url=target.url(), method=method))).status is UP
        own = Http(url=target.url(), method=method, headers={"Content-Type": "text/x"})
        assert (await check(own)).status is UP
    kinds = [[line for line in head.split("\r\n") if line.lower().startswith("content-type")] for head in target.heads]
    assert kinds == [[], [], ["Content-Type: text/x"]]
