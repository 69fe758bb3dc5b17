"""What a check saw that expires: noted where it is read, whatever the probe says or raises afterwards.

A certificate is met deep inside of many probes, and a check that fails has often met one: so each check has a list of
its own, which is found through the running task.
"""

from contextvars import ContextVar
from time import time
from typing import TYPE_CHECKING

from app import clock
from app.domain.alerting.expiry import DAY_MS, NOTICE_HORIZON_DAYS
from schema.jobs import ExpiringItem

if TYPE_CHECKING:  # it brings a library that most checks never need
    from actors.probes.kit.certificate import Certificate

_collected: ContextVar[list[ExpiringItem] | None] = ContextVar("sightings", default=None)
EXPIRED_CERTIFICATE = ExpiringItem(
    "certificate", "", "", "", 0
)  # one that ended, and that a handshake did not let us look at


def start_collecting() -> list[ExpiringItem]:
    """A list for the check that begins in this task."""
    items: list[ExpiringItem] = []
    _collected.set(items)
    return items


def record_certificate(certificate: "Certificate") -> "Certificate":
    """Note a certificate; returns it."""
    ends_ms = clock.epoch_ms(certificate.not_after)
    record(ExpiringItem("certificate", certificate.fingerprint, certificate.subject, certificate.issuer, ends_ms))
    return certificate


def record(item: ExpiringItem) -> None:
    """Note what expires; outside of a check nobody is interested."""
    if (items := _collected.get()) is not None:
        items.append(item)


def soonest(items: list[ExpiringItem]) -> ExpiringItem | None:
    """The one that ends first, when that is near enough for anybody to be told."""
    item = min(items, key=lambda certificate: certificate.expires_ms, default=None)
    return item if item and item.expires_ms <= time() * 1000 + NOTICE_HORIZON_DAYS * DAY_MS else None
