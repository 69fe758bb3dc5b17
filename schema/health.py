"""Health of this server, for people, load balancers and orchestrators."""

from datetime import datetime

from msgspec import Struct


class ServiceHealth(Struct, frozen=True, kw_only=True):
    """`status`: healthy, degraded (a part is unavailable, the rest works) or unhealthy (no database)."""

    status: str
    timestamp: datetime
    checks: dict[str, str]


class ApiHealth(Struct, frozen=True, kw_only=True):
    """Health of the API, with the fields that clients of the checks API read."""

    status: str
    timestamp: datetime
    message: str
    redis_available: bool
    cache_enabled: bool


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether this server accepts requests."""

    ready: bool
    services: dict[str, bool]


class Version(Struct, frozen=True, kw_only=True):
    """Version of the program and of its API."""

    version: str
    api: str
