"""How we are, as told to people, load balancers and orchestrators."""

from datetime import datetime

from msgspec import Struct


class ServiceHealth(Struct, frozen=True, kw_only=True):
    """`status`: healthy, degraded (something is missing, we go on) or unhealthy (the database is lost)."""

    status: str
    timestamp: datetime
    checks: dict[str, str]


class ApiHealth(Struct, frozen=True, kw_only=True):
    """The API's own health, with what clients of the checks API read."""

    status: str
    timestamp: datetime
    message: str
    redis_available: bool
    cache_enabled: bool


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether to send requests here."""

    ready: bool
    services: dict[str, bool]


class Version(Struct, frozen=True, kw_only=True):
    """Of the program and of its API."""

    version: str
    api: str
