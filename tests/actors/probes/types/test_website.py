"""Checks of a website, as document 002 describes them."""

import gzip

import pytest

from schema.assertions import CertificateDays
from schema.status import Status
from schema.targets import Method, Website
from tests.actors.probes import certificates
from tests.actors.probes.target import answering, flooding, redirecting, serving
from tests.actors.probes.test_hostile import garbage, gone, half

UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN
KEYS = [
    "url", "status_code", "expected_status", "status_match", "content_match", "content_issues", "response_headers",
    "response_size", "redirect_history",
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "words", "expected_status", "message"),
    [
        ("200 OK", {}, UP, ""),
        ("200 OK", {"expected_content": "basket", "unexpected_content": "error"}, UP, ""),
        ("200 OK", {"expected_content": "Basket"}, DEGRADED, "the expected content 'Basket' is not in the page"),
        ("200 OK", {"unexpected_content": "shop"}, DEGRADED, "the unexpected content 'shop' is in the page"),
        ("404 Not Found", {"expected_content": "gone"}, DOWN, "404 Not Found, expected 200"),
        ("404 Not Found", {"expected_status": 404}, UP, ""),
        ("201 Created", {}, DOWN, "201 Created, expected 200"),
    ],
)
async def test_the_status_code_decides_and_keywords_only_warn(check, status, words, expected_status, message):
    async with serving(answering(b"the shop's basket", status)) as target:
        outcome = await check(Website(url=target.url(), **words))
    assert (outcome.status, outcome.message) == (expected_status, message)


async def test_the_detail_has_the_documents_keys(check):
    async with serving(answering(b"12345", headers="X-Kind: web\r\n")) as end, serving(redirecting(end.url())) as begin:
        outcome = await check(Website(url=begin.url("/a"), expected_content="6"), detailed=True)
    assert list(outcome.detail) == KEYS
    assert outcome.detail["redirect_history"] == [begin.url("/a")]
    assert (outcome.detail["url"], outcome.detail["response_size"]) == (end.url(), 5)
    assert (outcome.detail["status_match"], outcome.detail["content_match"]) == (True, False)
    assert outcome.detail["content_issues"] == ["the expected content '6' is not in the page"]
    assert outcome.detail["response_headers"]["X-Kind"] == "web"


async def test_a_redirect_is_the_answer_when_it_is_not_followed(check):
    async with serving(redirecting("http://127.0.0.1:9/")) as target:
        outcome = await check(Website(url=target.url(), follow_redirects=False, expected_status=302))
    assert outcome.status is UP


async def test_the_request_is_as_written(check):
    async with serving(answering()) as target:
        url, headers = target.url("/x?y"), {"X-One": "1"}
        signed = {"auth_username": "ann", "auth_password": "pä"}
        await check(Website(url=url, method=Method.POST, headers=headers, body="a=1", **signed))  # type: ignore[arg-type]  # all are str
    lines = target.heads[0].split("\r\n")
    assert lines[0] == "POST /x?y HTTP/1.1"
    assert {"X-One: 1", "Content-Length: 3", "Authorization: Basic YW5uOnDDpA=="} <= set(lines)


@pytest.mark.parametrize(("verify", "expected_status"), [(True, DOWN), (False, UP)])
async def test_an_invalid_certificate_is_an_error_unless_ignored(check, tmp_path, verify, expected_status):
    async with serving(answering(), tls=certificates.served(tmp_path, days=-1)) as target:
        outcome = await check(Website(url=target.url(scheme="https"), verify_ssl=verify))
    assert outcome.status is expected_status
    if verify:
        assert outcome.message == "certificate not valid: certificate has expired"
        assert outcome.detail["error_type"] == "ClientConnectorCertificateError"


async def test_days_of_the_certificate_can_be_asserted(check, tmp_path):
    async with serving(answering(), tls=certificates.served(tmp_path, days=10)) as target:
        outcome = await check(Website(url=target.url(scheme="https"), assertions=[CertificateDays(min_days=20)]))
    assert (outcome.status, outcome.message) == (DEGRADED, "the certificate ends in 10 days, before 20")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (garbage, "the answer is not HTTP as it should be"),
        (half, "the body broke off"),
        (gone, "the connection was closed without an answer"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(check, script, message):
    async with serving(script) as target:
        outcome = await check(Website(url=target.url(), expected_content="x"))
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)
    assert outcome.detail["error"] == outcome.message


async def test_a_page_without_end_and_a_bomb_are_read_as_far_as_a_megabyte(check):
    async with serving(flooding) as target:
        plain = await check(Website(url=target.url()), detailed=True)
        flood = await check(Website(url=target.url(), expected_content="b"))
    bomb = answering(gzip.compress(b"a" * 50_000_000), headers="Content-Encoding: gzip\r\n")
    async with serving(bomb) as target:
        packed = await check(Website(url=target.url(), expected_content="b"))
    assert flood.detail["response_size"] == packed.detail["response_size"] == 1_048_576
    assert (plain.status, flood.status, packed.status) == (UP, DEGRADED, DEGRADED)


async def test_cloud_metadata_is_refused(check):
    assert (await check(Website(url="http://169.254.169.254/"))).status is UNKNOWN
