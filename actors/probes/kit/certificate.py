"""The fields of a TLS certificate. The handshake has decided whether it is valid."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from app import clock
from app.domain.alerting.expiry import days_left


class Certificate(Struct, frozen=True):
    """A leaf certificate. `fingerprint` is SHA-256 over the DER, hex."""

    subject: str
    issuer: str
    not_after: datetime
    fingerprint: str

    def days_left(self, now: datetime) -> int:
        """As `app.domain.alerting.expiry.days_left`."""
        return days_left(clock.epoch_ms(self.not_after), clock.epoch_ms(now))

    def facts(self, now: datetime) -> dict[str, Any]:
        """The fields for a result's detail."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "not_after": self.not_after.isoformat().replace("+00:00", "Z"),
            "days_left": self.days_left(now),
            "fingerprint_sha256": self.fingerprint,
        }


@lru_cache(maxsize=4_096)
def parse_certificate(der: bytes) -> Certificate:
    """Parse a certificate; raises ValueError for anything else. Cached: every check gets the same one."""
    parsed = x509.load_der_x509_certificate(der)
    return Certificate(
        subject=parsed.subject.rfc4514_string()[:300],
        issuer=parsed.issuer.rfc4514_string()[:300],
        not_after=parsed.not_valid_after_utc.astimezone(UTC),
        fingerprint=parsed.fingerprint(SHA256()).hex(),
    )
