"""Collects what a check saw that expires, such as certificates, whatever the probe returns or raises afterwards.

Probes meet certificates deep inside, and a failing check has often met one: so each check has its own list, found
through the running task.
"""

from contextvars import ContextVar
from time import time
from typing import TYPE_CHECKING

from app import clock
from app.domain.alerting.expiry import NOTICE_HORIZON_DAYS, days_left
from schema.jobs import ExpiringItem

if TYPE_CHECKING:  # it imports a library that most checks never need
    from actors.probes.kit.certificate import Certificate

_collected: ContextVar[list[ExpiringItem] | None] = ContextVar("expiring_items", default=None)
EXPIRED_CERTIFICATE = ExpiringItem("certificate", "", "", "", 0)  # the failed handshake kept us from reading it


def start_collecting() -> list[ExpiringItem]:
    """A list for the check that begins in this task."""
    items: list[ExpiringItem] = []
    _collected.set(items)
    return items


def record_certificate(certificate: "Certificate") -> "Certificate":
    """Record a certificate, and return it."""
    ends_ms = clock.epoch_ms(certificate.not_after)
    record(ExpiringItem("certificate", certificate.fingerprint, certificate.subject, certificate.issuer, ends_ms))
    return certificate


def record(item: ExpiringItem) -> None:
    """Record an expiring item; does nothing outside of a check."""
    if (items := _collected.get()) is not None:
        items.append(item)


def soonest(items: list[ExpiringItem]) -> ExpiringItem | None:
    """The item that expires first, if it does so within the notice horizon."""
    item = min(items, key=lambda one: one.expires_ms, default=None)
    return item if item and days_left(item.expires_ms, round(time() * 1000)) <= NOTICE_HORIZON_DAYS else None
