"""Checks of a certificate's validity, names and chain, against real TLS servers on loopback."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from actors.probes.net import certificate_details
from actors.probes.net.certificate_details import parse_leaf
from schema.assertions import Operator, Value
from schema.heartbeat_texts import ANSWERED
from schema.status import Status
from schema.targets import Ssl
from tests.actors.probes import certificates
from tests.actors.probes.scripted_server import saying, talking

UP, DOWN, DEGRADED, UNKNOWN = Status.UP, Status.DOWN, Status.DEGRADED, Status.UNKNOWN
SILENT = saying(b"", then_hanging=True)


def watching(port, **changes):
    return Ssl(**{"host": "127.0.0.1", "port": port, **changes})


def own(*names, begins_in=-1, ends_in=90):
    """A self-signed certificate for these names, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "the box"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Home"),
        ]
    )
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    now = datetime.now(UTC) + timedelta(hours=1)
    builder = builder.not_valid_before(now + timedelta(days=begins_in)).not_valid_after(now + timedelta(days=ends_in))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
    return builder.sign(key, SHA256()), key


def serving(place, certificate, key):
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (place / "own.pem").write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "own.pem")
    return context


@pytest.mark.parametrize(
    ("days", "expected_status", "message"),
    [
        (31, UP, ""),
        (30, DEGRADED, "the certificate ends in 30 days"),
        (15, DEGRADED, "the certificate ends in 15 days"),
        (14, DOWN, "the certificate ends in 14 days"),
        (0, DOWN, "the certificate ends in 0 days"),
    ],
)
async def test_the_days_left_decide(check, tmp_path, days, expected_status, message):
    async with talking(SILENT, tls=certificates.served(tmp_path, days=days)) as port:
        outcome = await check(watching(port))
    assert (outcome.status, outcome.message) == (expected_status, message)
    assert (outcome.detail is None) == (expected_status is UP)


async def test_the_limits_are_the_monitors_own(check, tmp_path):
    async with talking(SILENT, tls=certificates.served(tmp_path, days=10)) as port:
        lenient = await check(watching(port, warning_days=9, critical_days=3))
        earlier = await check(watching(port, warning_days=9))
    assert (lenient.status, lenient.code) == (UP, ANSWERED)
    assert earlier.status is DOWN  # critical_days are 14, whatever comes before them


@pytest.mark.parametrize(
    ("begins_in", "ends_in", "message"),
    [(-9, -3, "the certificate ended on "), (3, 9, "the certificate is not valid before ")],
)
async def test_an_expired_or_not_yet_valid_certificate_is_down(check, tmp_path, begins_in, ends_in, message):
    tls = serving(tmp_path, *own(begins_in=begins_in, ends_in=ends_in))
    async with talking(SILENT, tls=tls) as port:
        outcome = await check(watching(port, verify_hostname=False, critical_days=0))
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)
    assert outcome.detail["hostname"] == "127.0.0.1"


async def test_the_name_is_compared_unless_it_does_not_matter(check, tmp_path):
    async with talking(SILENT, tls=certificates.served(tmp_path, address="127.0.0.2")) as port:
        strict = await check(watching(port))
        lenient = await check(watching(port, verify_hostname=False))
        named = await check(watching(port, server_name="127.0.0.2"))
    assert (strict.status, strict.message) == (DOWN, "the certificate is not for 127.0.0.1")
    assert (lenient.status, named.status) == (UP, UP)


async def test_a_self_signed_one_is_reported_and_fails_where_the_chain_counts(check, tmp_path):
    async with talking(SILENT, tls=serving(tmp_path, *own("box.test"))) as port:
        target = watching(port, server_name="box.test")
        outcome = await check(target, detailed=True)
        failed = await check(replace(target, check_chain=True))
    assert (outcome.status, outcome.message) == (UP, "the certificate is self-signed")
    assert outcome.detail["self_signed"] is True
    assert (failed.status, failed.message) == (DOWN, "chain not valid: self-signed certificate")
    assert failed.detail["chain_valid"] is False


@pytest.mark.parametrize(("known", "expected_status"), [(True, UP), (False, DOWN)])
async def test_an_authority_must_be_known_where_the_chain_counts(check, tmp_path, known, expected_status):
    signer = certificates.authority() if known else certificates.other_authority()
    async with talking(SILENT, tls=certificates.served(tmp_path, signer=signer)) as port:
        strict = await check(watching(port, check_chain=True))
        unnamed = await check(watching(port, check_chain=True, verify_hostname=False))
        lenient = await check(watching(port))
    assert (strict.status, unnamed.status, lenient.status) == (expected_status, expected_status, UP)


async def test_the_detail_has_what_document_002_shows(check, tmp_path):
    async with talking(SILENT, tls=serving(tmp_path, *own("box.test", "*.box.test"))) as port:
        outcome = await check(watching(port, server_name="a.box.test"), detailed=True)
    facts = outcome.detail
    assert {"not_before", "not_after", "serial_number", "cipher"} < set(facts)
    assert (facts["hostname"], facts["port"], facts["days_until_expiration"]) == ("127.0.0.1", port, 90)
    assert facts["subject"] == facts["issuer"] == {"commonName": "the box", "organizationName": "Home"}
    assert (facts["version"], facts["signature_algorithm"]) == (3, "sha256")
    assert (facts["alternative_names"], facts["protocol"]) == (["box.test", "*.box.test"], "TLSv1.3")


async def test_the_days_are_a_value_to_compare(check, tmp_path):
    longer = Value(operator=Operator.MORE, expected="365")
    async with talking(SILENT, tls=certificates.served(tmp_path)) as port:
        outcome = await check(watching(port, assertions=[longer]))
    assert (outcome.status, outcome.message) == (DOWN, "'90' is not > '365'")


@pytest.mark.parametrize(
    ("names", "host", "fits"),
    [
        (("box.test",), "Box.test.", True),
        (("*.box.test",), "a.box.test", True),
        (("*.box.test",), "box.test", False),
        (("*.box.test",), "a.b.box.test", False),
        (("*",), "box", False),
        (("*.test",), ".test", False),
        (("127.0.0.1",), "127.0.0.1", False),
        (("a*.box.test",), "ab.box.test", False),
        ((), "the box", True),
        (("box.test",), "the box", False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(names, host, fits):
    leaf = parse_leaf(own(*names)[0].public_bytes(Encoding.DER))
    assert leaf.covers(host) is fits


@pytest.mark.parametrize(
    ("script", "timeout_ms", "message"),
    [
        (saying(b"220 plain as day\r\n", then_hanging=True), 30_000, "TLS failed:"),
        (saying(b""), 30_000, "connection reset by peer"),
        (SILENT, 300, "no answer within 0.3 s"),
    ],
)
async def test_a_server_that_speaks_no_tls_is_down(check, script, timeout_ms, message):
    async with talking(script) as port:
        outcome = await check(watching(port), timeout_ms=timeout_ms)
    assert outcome.status is DOWN
    assert outcome.message.startswith(message)


async def test_a_closed_port_is_down_and_metadata_is_refused(check, free_port):
    refused = await check(watching(free_port))
    forbidden = await check(watching(443, host="169.254.169.254"))
    assert (refused.status, refused.message) == (DOWN, "connection refused")
    assert forbidden.status is UNKNOWN


def test_a_certificate_of_many_names_is_read_and_not_cached():
    before = certificate_details._parse_cached.cache_info().currsize
    read = parse_leaf(own(*(f"{n}.many.example" for n in range(3_000)))[0].public_bytes(Encoding.DER))
    assert read.covers("2999.many.example")
    assert not read.covers("3000.many.example")
    assert certificate_details._parse_cached.cache_info().currsize == before
