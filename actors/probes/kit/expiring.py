"""What a check saw that expires: noted where it is read, whatever the probe says or raises afterwards.

A certificate is met deep inside of many probes, and a check that fails has often met one: so each check has a list of
its own, which is found through the running task.
"""

from contextvars import ContextVar
from time import time
from typing import TYPE_CHECKING

from app.domain.alerting.expiry import DAY_MS, FARTHEST_DAYS
from schema.jobs import Ends

if TYPE_CHECKING:  # it brings a library that most checks never need
    from actors.probes.kit.certificate import Certificate

_list: ContextVar[list[Ends] | None] = ContextVar("sightings", default=None)
EXPIRED = Ends("certificate", "", "", "", 0)  # one that ended, and that a handshake did not let us look at


def begin() -> list[Ends]:
    """A list for the check that begins in this task."""
    found: list[Ends] = []
    _list.set(found)
    return found


def certificate(seen: "Certificate") -> "Certificate":
    """Note a certificate; returns it."""
    ends_ms = round(seen.not_after.timestamp() * 1000)
    note(Ends("certificate", seen.fingerprint, seen.subject, seen.issuer, ends_ms))
    return seen


def note(one: Ends) -> None:
    """Note what expires; outside of a check nobody is interested."""
    if (found := _list.get()) is not None:
        found.append(one)


def soonest(found: list[Ends]) -> Ends | None:
    """The one that ends first, when that is near enough for anybody to be told."""
    one = min(found, key=lambda seen: seen.ends_ms, default=None)
    return one if one and one.ends_ms <= time() * 1000 + FARTHEST_DAYS * DAY_MS else None
