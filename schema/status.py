"""Statuses of monitors, and roles of users. The integers are part of the public API."""

from enum import IntEnum, StrEnum


class Status(IntEnum):
    """State of a monitor after a heartbeat. Values as in the monitoring API: clients store them."""

    DOWN = 0  # the check failed and its retries are used up
    UP = 1  # the check passed
    PENDING = 2  # the check failed, retries remain; nobody was alerted
    MAINTENANCE = 3  # inside a maintenance window; the raw status is stored too
    DEGRADED = 4  # passed, but slow or near a limit
    UNKNOWN = 5  # we could not check: our error, never the target's


STATUS_DESCRIPTIONS: dict[Status, str] = {  # for the OpenAPI document and clients generated from it
    Status.DOWN: "The check failed, and its retries are used up.",
    Status.UP: "The check passed.",
    Status.PENDING: "The check failed; retries remain, and nobody was alerted.",
    Status.MAINTENANCE: "Inside a maintenance window; `raw_status` has what the check saw.",
    Status.DEGRADED: "The check passed, but slowly or near a limit.",
    Status.UNKNOWN: "Nothing is known: it was not checked, or could not be.",
}


class Role(StrEnum):
    """What a principal may do: viewer < operator < admin."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, least: "Role") -> bool:
        """Whether this role may do everything that `least` may."""
        return _RANK[self] >= _RANK[least]

    def at_most(self, other: "Role") -> "Role":
        """The lesser of the two roles."""
        return self if other.covers(self) else other


_RANK = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}
