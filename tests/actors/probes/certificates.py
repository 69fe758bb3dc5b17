"""Certificates of the tests' own authority, made when they are needed."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: str, key: ec.EllipticCurvePrivateKey, days: float) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name("Tests' authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=900))
        .not_valid_after(now + timedelta(days=days, hours=1))
    )


Authority = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def other_authority() -> Authority:
    """An authority with the same name and a key of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("Tests' authority", key, 900).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), True
    )
    return builder.sign(key, SHA256()), key


@cache
def authority() -> Authority:
    """The one the tests' tools trust."""
    return other_authority()


def trust() -> ssl.SSLContext:
    """A client's context that trusts only the tests' authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority()[0].public_bytes(Encoding.PEM).decode("ascii"))
    return context


def authority_pem() -> str:
    """The tests' authority, as a monitor would be given it."""
    return pem_of(authority())


def pem_of(one: Authority) -> str:
    """An authority's certificate."""
    return one[0].public_bytes(Encoding.PEM).decode("ascii")


def pair(place: Path) -> tuple[str, str]:
    """A client's certificate and its key, in PEM."""
    served(place)
    key, mark, cert = (place / "leaf.pem").read_text().partition("-----BEGIN CERTIFICATE-----")
    return mark + cert, key


def served(
    place: Path, *, days: float = 90, address: str = "127.0.0.1", signer: Authority | None = None
) -> ssl.SSLContext:
    """A server's context whose certificate is for `address` and ends in `days` and an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
    leaf = _builder("the target", key, days).add_extension(names, False).sign((signer or authority())[1], SHA256())
    file = place / "leaf.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + leaf.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def fingerprint(place: Path) -> str:
    """Of the certificate that `served` made there last: SHA-256, hex."""
    return x509.load_pem_x509_certificate((place / "leaf.pem").read_bytes()).fingerprint(SHA256()).hex()
