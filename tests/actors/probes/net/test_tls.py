"""How a certificate changes the outcome of a check."""

import pytest

from schema.status import Status
from schema.targets import Http
from tests.actors.probes import certificates
from tests.actors.probes.target import answering, serving

UP, DOWN, DEGRADED = Status.UP, Status.DOWN, Status.DEGRADED


@pytest.mark.parametrize(
    ("days", "address", "message"),
    [
        (90, "127.0.0.1", ""),
        (-1, "127.0.0.1", "certificate not valid: certificate has expired"),
        (90, "127.0.0.2", "certificate not valid: IP address mismatch"),
    ],
)
async def test_a_certificate_is_verified_unless_its_errors_are_ignored(check, tmp_path, days, address, message):
    async with serving(answering(), tls=certificates.served(tmp_path, days=days, address=address)) as target:
        strict = await check(Http(url=target.url(scheme="https")))
        lenient = await check(Http(url=target.url(scheme="https"), ignore_tls_errors=True))
    assert strict.status is (DOWN if message else UP)
    assert strict.message.startswith(message)
    assert lenient.status is UP


@pytest.mark.parametrize(
    ("days", "ignoring", "expected_status", "message"),
    [
        (15, False, UP, ""),
        (14, False, UP, ""),
        (13, False, DEGRADED, "the certificate ends in 13 days"),
        (0, False, DEGRADED, "the certificate ends in 0 days"),
        (-2, True, DEGRADED, "the certificate has ended"),
    ],
)
async def test_a_certificate_that_ends_soon_degrades(check, tmp_path, days, ignoring, expected_status, message):
    async with serving(answering(), tls=certificates.served(tmp_path, days=days)) as target:
        watched = Http(url=target.url(scheme="https"), check_cert_expiry=True, ignore_tls_errors=ignoring)
        outcome = await check(watched)
    assert (outcome.status, outcome.code, outcome.message) == (expected_status, 200, message)


async def test_the_certificates_facts_are_in_the_detail(check, tmp_path):
    async with serving(answering(), tls=certificates.served(tmp_path, days=30)) as target:
        outcome = await check(Http(url=target.url(scheme="https")), detailed=True)
    facts = outcome.detail["certificate"]
    assert (facts["subject"], facts["issuer"], facts["days_left"]) == ("CN=the target", "CN=Tests' authority", 30)
    assert facts["not_after"].endswith("Z")
    assert len(facts["fingerprint_sha256"]) == 64


async def test_a_server_that_speaks_no_tls_is_down(check):
    async def rude(head, writer):
        raise AssertionError("nobody gets here")

    async with serving(rude) as target:
        outcome = await check(Http(url=target.url(scheme="https")), timeout_ms=300)
    assert outcome.status is DOWN


async def test_an_untrusted_authority_is_a_failure(check, tmp_path):
    context = certificates.served(tmp_path, signer=certificates.other_authority())
    async with serving(answering(), tls=context) as target:
        outcome = await check(Http(url=target.url(scheme="https")))
    assert outcome.status is DOWN
    assert outcome.message.startswith("certificate not valid:")
