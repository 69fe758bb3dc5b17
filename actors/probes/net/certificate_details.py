"""All fields of a server's certificate. Pure; the handshake decides whether it is valid."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID
from msgspec import Struct

from actors.probes.kit.certificate import Certificate, parse_certificate

MAX_NAMES, MAX_VALUE_CHARS = 100, 300  # in a detail; a certificate can have thousands
MAX_CACHED_BYTES = 16_384  # of a certificate; one with 200 names has half of that
NAME_ATTRIBUTES = {
    NameOID.COMMON_NAME: "commonName",
    NameOID.ORGANIZATION_NAME: "organizationName",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "organizationalUnitName",
    NameOID.COUNTRY_NAME: "countryName",
    NameOID.STATE_OR_PROVINCE_NAME: "stateOrProvinceName",
    NameOID.LOCALITY_NAME: "localityName",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}


class LeafCertificate(Struct, frozen=True):
    """A server's certificate. `names` are those it is valid for: host names, wildcards and IP addresses.

    is_unnamed    whether it has no alternative names, and so is valid for its subject's common name: OpenSSL's clients
                  accept that, browsers no longer do (RFC 9525)
    """

    certificate: Certificate
    not_before: datetime
    names: tuple[str, ...]
    is_unnamed: bool
    self_signed: bool
    facts: dict[str, Any]

    def covers(self, host: str) -> bool:
        """Whether it is valid for this name or address (RFC 6125: a wildcard is the whole first label, one label)."""
        return any(_name_matches(one, host.rstrip(".").lower()) for one in self.names)


def parse_leaf(der: bytes) -> LeafCertificate:
    """Parse a certificate; raises ValueError for anything else. Cached: every check gets the same one."""
    return _parse_cached(der) if len(der) <= MAX_CACHED_BYTES else _parse(der)


@lru_cache(maxsize=256)
def _parse_cached(der: bytes) -> LeafCertificate:
    return _parse(der)


def _parse(der: bytes) -> LeafCertificate:
    parsed, certificate = x509.load_der_x509_certificate(der), parse_certificate(der)
    not_before, self_signed = parsed.not_valid_before_utc.astimezone(UTC), _is_self_signed(parsed)
    names = _alternative_names(parsed)
    unnamed = () if any(map(_is_host, names)) else _common_names(parsed)
    facts = {
        "not_before": _iso_utc(not_before),
        "not_after": _iso_utc(certificate.not_after),
        "subject": _name_parts(parsed.subject),
        "issuer": _name_parts(parsed.issuer),
        "version": parsed.version.value + 1,
        "serial_number": f"{parsed.serial_number:X}",
        "signature_algorithm": parsed.signature_hash_algorithm.name if parsed.signature_hash_algorithm else None,
        "alternative_names": list(names[:MAX_NAMES]),
        "fingerprint_sha256": certificate.fingerprint,
        "self_signed": self_signed,
    }
    return LeafCertificate(certificate, not_before, names + unnamed, bool(unnamed) and not names, self_signed, facts)


def _alternative_names(parsed: x509.Certificate) -> tuple[str, ...]:
    """Subject alternative names, except addresses written as DNS names."""
    try:
        alternative = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts: Sequence[str] = alternative.get_values_for_type(x509.DNSName)
    return (
        *(one.lower() for one in hosts if _is_host(one)),
        *map(str, alternative.get_values_for_type(x509.IPAddress)),
    )


def _common_names(parsed: x509.Certificate) -> tuple[str, ...]:
    """The subject's common names that may be hosts."""
    names = [str(one.value).lower() for one in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return tuple(filter(_is_host, names))


def _is_host(name: str) -> bool:
    return not (_may_be_address(name) and _same_address(name, name))


def _may_be_address(name: str) -> bool:
    """Cheaper than an exception for each of ten thousand names."""
    return ":" in name or name.replace(".", "").isdigit()


def _is_self_signed(parsed: x509.Certificate) -> bool:
    if parsed.subject != parsed.issuer:
        return False
    try:
        parsed.verify_directly_issued_by(parsed)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _name_matches(name: str, host: str) -> bool:
    if ":" in host or host.replace(".", "").isdigit():
        return _same_address(name, host)
    first, _, rest = host.partition(".")
    return name == host or (bool(first and rest) and name == f"*.{rest}")


def _same_address(one: str, other: str) -> bool:
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False


def _name_parts(name: x509.Name) -> dict[str, str]:
    return {NAME_ATTRIBUTES.get(one.oid, one.oid.dotted_string): str(one.value)[:MAX_VALUE_CHARS] for one in name}


def _iso_utc(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
