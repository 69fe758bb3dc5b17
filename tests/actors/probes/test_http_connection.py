"""Less common ways to reach an HTTP address: families, name servers, client certificates; and their timings."""

import ssl

import dns.rcode
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from schema.assertions import Assertion, CertificateDays
from schema.status import Status
from schema.targets import Http
from schema.targets.http import IpFamily
from tests.actors.probes import certificates
from tests.actors.probes.nameserver import naming, saying
from tests.actors.probes.target import answering, serving

UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN


@pytest.mark.parametrize(
    ("family", "expected_status"), [(IpFamily.ANY, UP), (IpFamily.IPV4, UP), (IpFamily.IPV6, DOWN)]
)
async def test_only_addresses_of_the_configured_family_are_used(check, family, expected_status):
    async with serving(answering()) as target:
        outcome = await check(Http(url=target.url(), ip_family=family))
    assert outcome.status is expected_status
    assert outcome.message == ("" if expected_status is UP else "127.0.0.1 has no IPv6 address")


async def test_a_name_server_of_the_monitor_is_queried(check):
    async with serving(answering()) as target, naming() as port:
        url = f"http://here.test:{target.port}/"
        outcome = await check(Http(url=url, resolver_server="127.0.0.1", resolver_port=port))
        unknown = await check(Http(url="http://gone.test/", resolver_server="127.0.0.1", resolver_port=port))
        nothing = await check(Http(url=url, resolver_server="127.0.0.1", resolver_port=port, ip_family=IpFamily.IPV6))
    assert outcome.status is UP
    assert target.heads[0].startswith("GET / HTTP/1.1\r\nHost: here.test:")
    assert (unknown.status, unknown.message) == (DOWN, "there is no name gone.test")
    assert (nothing.status, nothing.message) == (DOWN, "here.test has no IPv6 address")


async def test_addresses_from_a_name_server_are_checked_against_the_policy(check):
    async with naming() as port:
        led = await check(Http(url="http://metadata.test/", resolver_server="127.0.0.1", resolver_port=port))
    server = await check(Http(url="http://a.test/", resolver_server="169.254.169.254"))
    assert {led.status, server.status} == {UNKNOWN}
    assert "169.254.169.254 is a cloud metadata address" in led.message
    assert "169.254.169.254 is a cloud metadata address" in server.message


async def test_a_name_server_that_is_silent_is_not_the_targets_fault(check, free_port):
    target = Http(url="http://a.test/", resolver_server="127.0.0.1", resolver_port=free_port)
    outcome = await check(target, timeout_ms=300)
    assert (outcome.status, outcome.message) == (UNKNOWN, "no answer from a name server within 0.3 s")


async def test_a_name_server_that_refuses_is_not_the_targets_fault(check):
    async with naming(saying(dns.rcode.REFUSED)) as port:
        outcome = await check(Http(url="http://a.test/", resolver_server="127.0.0.1", resolver_port=port))
    assert (outcome.status, outcome.message) == (UNKNOWN, "the name server 127.0.0.1 does not answer for a.test")


@pytest.fixture
def wanting_certificates(tmp_path) -> ssl.SSLContext:
    context = certificates.served(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificates.authority_pem())
    return context


async def test_a_client_certificate_is_accepted(check, tmp_path, wanting_certificates):
    cert, key = certificates.pair(tmp_path)
    async with serving(answering(), tls=wanting_certificates) as target:
        url, trusted = target.url(scheme="https"), certificates.authority_pem()
        known = await check(Http(url=url, tls_cert=cert, tls_key=key, tls_ca=trusted))
        untrusted = await check(Http(url=url, tls_ca=trusted))
        careless = await check(Http(url=url, tls_cert=cert, tls_key=key, ignore_tls_errors=True))
    assert (known.status, untrusted.status, careless.status) == (UP, DOWN, UP)
    assert "PRIVATE" not in untrusted.message


async def test_authorities_of_the_monitors_own_take_the_systems_place(check, tmp_path):
    signer = certificates.other_authority()
    async with serving(answering(), tls=certificates.served(tmp_path, signer=signer)) as target:
        theirs = await check(Http(url=target.url(scheme="https"), tls_ca=certificates.pem_of(signer)))
        ours = await check(Http(url=target.url(scheme="https"), tls_ca=certificates.authority_pem()))
    assert (theirs.status, ours.status) == (UP, DOWN)
    assert ours.message.startswith("certificate not valid: ")


async def test_a_key_with_a_passphrase_is_an_error_of_ours_without_a_prompt(check, tmp_path):
    cert, key = certificates.pair(tmp_path)
    shut = load_pem_private_key(key.encode(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")
    )
    outcome = await check(Http(url="https://127.0.0.1:9/", tls_cert=cert, tls_key=shut.decode()))
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        "the configuration can't be used: `tls_key` must be a private key in PEM, without a passphrase",
    )


async def test_a_key_that_can_not_be_read_is_our_fault(check):
    outcome = await check(Http(url="https://127.0.0.1:9/", tls_cert="x", tls_key="y"))
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        "the configuration can't be used: `tls_cert` must be a certificate in PEM",
    )


async def test_the_time_of_each_phase_is_in_the_detail(check, tmp_path):
    async with serving(answering(), tls=certificates.served(tmp_path)) as target:
        timings = (await check(Http(url=target.url(scheme="https")), detailed=True)).detail["timings"]
    assert list(timings) == ["dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "total_ms"]
    assert all(took >= 0 for took in timings.values())
    assert sum(timings.values()) <= 2 * timings["total_ms"] + 0.01


async def test_a_quick_failure_reports_its_time(check):
    async with serving(answering(status="503 Service Unavailable")) as target:
        outcome = await check(Http(url=target.url()))
    assert list(outcome.detail["timings"]) == ["total_ms"]


async def test_days_of_the_certificate_can_be_asserted(check, tmp_path):
    wanted: list[Assertion] = [CertificateDays(min_days=20)]
    async with serving(answering(), tls=certificates.served(tmp_path, days=10)) as target:
        soon = await check(Http(url=target.url(scheme="https"), assertions=wanted))
    async with serving(answering()) as target:
        bare = await check(Http(url=target.url(), assertions=wanted))
    assert (soon.status, soon.message) == (DEGRADED, "the certificate ends in 10 days, before 20")
    assert (bare.status, bare.message) == (DEGRADED, "there is no certificate")
