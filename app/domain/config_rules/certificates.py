"""Validates certificates, keys and authorities in PEM, in every config that has fields for them."""

import ssl
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from msgspec import Struct

from app.domain.config_rules.error import ConfigError
from app.domain.parsing.pem import ascii_pem

KEY_PAIRS = (("tls_cert", "tls_key"), ("client_cert", "client_key"))
AUTHORITY_FIELDS = ("tls_ca", "ca_cert")


def certificate_errors(config: Struct) -> Iterator[ConfigError]:
    """Certificates and keys must be valid, given in pairs, and belong together."""
    for cert_field, key_field in KEY_PAIRS:
        cert, key = getattr(config, cert_field, ""), getattr(config, key_field, "")
        if cert or key:
            yield from _key_pair_errors((cert_field, cert), (key_field, key))
    for field in AUTHORITY_FIELDS:
        if authorities := getattr(config, field, ""):
            yield from _authority_errors(field, authorities)


def _key_pair_errors(cert: tuple[str, str], key: tuple[str, str]) -> Iterator[ConfigError]:
    if not (cert[1] and key[1]):
        missing, given = (key[0], cert[0]) if cert[1] else (cert[0], key[0])
        yield missing, f"is required with {given}"
    cert_key = own_key = None
    try:
        cert_key = _public_key_bytes(load_pem_x509_certificates(cert[1].encode())[0].public_key()) if cert[1] else None
    except (ValueError, UnsupportedAlgorithm):
        yield cert[0], "must be a certificate in PEM"
    try:
        own_key = _public_key_bytes(load_pem_private_key(key[1].encode(), None).public_key()) if key[1] else None
    except (ValueError, TypeError, AttributeError, UnsupportedAlgorithm):
        yield key[0], "must be a private key in PEM, without a passphrase"
    if cert_key and own_key and cert_key != own_key:
        yield key[0], "does not match the certificate"
    if cert_key and cert_key == own_key and not _is_accepted_by_openssl(cert[1], key[1]):
        yield cert[0], "has a key or a signature that is too weak, or of a kind that TLS does not support"


def _public_key_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _is_accepted_by_openssl(cert: str, key: str) -> bool:
    """Whether OpenSSL accepts them too: its rules are stricter, and it reads files only."""
    from tempfile import NamedTemporaryFile  # noqa: PLC0415  # few monitors have a certificate

    with NamedTemporaryFile("w", suffix=".pem", encoding="ascii", errors="replace") as file:
        file.write(f"{cert}\n{key}\n")
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file.name, password="")
        except (ssl.SSLError, ValueError):
            return False
    return True


def _authority_errors(field: str, authorities: str) -> Iterator[ConfigError]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ascii_pem(authorities))
    except (ssl.SSLError, ValueError):
        yield field, "must be certificates in PEM"
