"""Health for people and load balancers, readiness for orchestrators, metrics for Prometheus, the version."""

import asyncio
import shutil
from datetime import UTC, datetime
from typing import Any

import psutil  # type: ignore[import-untyped]  # has no stubs
from litestar import Controller, MediaType, Request, Response, get
from redis.exceptions import RedisError

from app import clock_watch, db, interruptions, metrics, nodes, queue, self_checks
from app.api.http.rate_limits import RATE, UNLIMITED
from app.domain.system.self_checks import HEALTH_CHECKS
from app.errors import Unavailable
from app.security.auth.policy import ANYONE
from app.settings import Settings
from app.store.identity import users
from app.version import VERSION
from schema.events import EventKind
from schema.health import ApiHealth, Readiness, ServiceHealth, Version

CHECK_TIMEOUT_S = 2.0  # a probe that hangs is worth less than one that fails
METRICS_CONTENT_TYPE = "text/plain; version=0.0.4"  # without a charset: Litestar adds one to every text
MIN_FREE_SHARE = 0.05  # of the disk, and of the memory
AnyRequest = Request[Any, Any, Any]


class HealthController(Controller):
    """Health of this process and of the services it needs."""

    tags = ("Health",)
    guards = (ANYONE,)

    @get("/health", operation_id="GetHealth")
    async def get_health(self, request: AnyRequest) -> Response[ServiceHealth]:
        """Check everything. 503 without the database; 200 and `degraded` while it is read-only, and without Redis."""
        checks = await _checks(request.app.state.settings)
        failing = "unhealthy" if checks["database"] == "lost" else "degraded"
        status = "healthy" if set(checks.values()) == {"ok"} else failing
        health = ServiceHealth(status=status, timestamp=datetime.now(UTC), checks=checks)
        return Response(health, status_code=503 if status == "unhealthy" else 200)

    @get(
        ["/ready", "/api/v1/ready"],
        operation_id=lambda _, __, path: "GetApiReadiness" if "api" in str(path) else "GetReadiness",
        opt={RATE: UNLIMITED},
    )
    async def get_readiness(self, request: AnyRequest) -> Response[Readiness]:
        """Check whether to send requests here. The reply is 503 while the database is migrated or the process stops."""
        state = request.app.state
        is_serving = not state.draining and await _is_responding(users.any_exist())
        services = {
            "http": True,
            "https": state.settings.client_url.startswith("https:"),
            "cluster": await _is_responding(queue.client().ping()),
            "database": is_serving,
        }
        return Response(Readiness(ready=is_serving, services=services), status_code=200 if is_serving else 503)

    @get("/metrics", operation_id="GetMetrics", media_type=MediaType.TEXT)
    async def get_metrics(self) -> Response[str]:
        """Get the metrics of every process, in the format that Prometheus scrapes."""
        page = await metrics.render_page(nodes.node_id("api"))
        return Response(page, media_type=METRICS_CONTENT_TYPE)

    @get("/api/v1/health", operation_id="GetApiHealth", opt={RATE: UNLIMITED})
    async def get_api_health(self) -> ApiHealth:
        """Check whether the API responds, and whether its cache is available."""
        has_redis = await _is_responding(queue.client().ping())
        return ApiHealth(
            status="ok",
            timestamp=datetime.now(UTC),
            message="API is running",
            redis_available=has_redis,
            cache_enabled=has_redis,
        )

    @get("/api/v1/version", operation_id="GetVersion")
    async def get_version(self) -> Version:
        """Get the version of this installation."""
        return Version(version=VERSION, api="v1")


async def _checks(settings: Settings) -> dict[str, str]:
    database, redis = await asyncio.gather(_is_responding(db.ping()), _is_responding(queue.client().ping()))
    roles = await _running_roles() if redis else None
    jumped = await _clock_jumped() if redis else bool(clock_watch.watch.jump_s())
    problems = await _open_problems() if database else None
    return {
        "database": await _database_status() if database else "lost",
        "redis": "ok" if redis else "lost",
        "disk_space": "ok" if await asyncio.to_thread(_has_free_disk, settings) else "low",
        "memory": "ok" if _has_free_memory() else "low",
        "scheduler": _process_status("scheduler", roles),
        "workers": _process_status("worker", roles),
        "clock": "jumped" if jumped else "ok",
        **{name: _problem_status(kind, word, problems) for kind, (name, word) in HEALTH_CHECKS.items()},
    }


async def _is_responding(request: Any) -> bool:
    """Whether a service responds in time."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await request
    except (RedisError, Unavailable, *db.TRANSIENT_ERRORS):  # a timeout is an OSError, too
        return False
    return True


async def _database_status() -> str:
    """Whether the database reports that it accepts writes."""
    return "ok" if await _is_responding(db.require_writable()) else "read-only"


async def _running_roles() -> set[str] | None:
    try:
        return {node.role for node in await nodes.list_alive()}
    except (RedisError, OSError):
        return None


async def _clock_jumped() -> bool:
    """Whether the clock of one of our machines jumped lately."""
    try:
        return bool(await interruptions.largest_jump_s())
    except (RedisError, OSError):
        return bool(clock_watch.watch.jump_s())


async def _open_problems() -> set[EventKind] | None:
    """The open problems of this installation; None when they can't be read."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await self_checks.list_problems()
    except (*db.TRANSIENT_ERRORS, *db.UNMIGRATED):
        return None


def _problem_status(kind: EventKind, word: str, problems: set[EventKind] | None) -> str:
    if problems is None:
        return "unknown"
    return word if kind in problems else "ok"


def _process_status(role: str, roles: set[str] | None) -> str:
    if roles is None:
        return "unknown"
    return "ok" if role in roles else "none"


def _has_free_disk(settings: Settings) -> bool:
    folder = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    usage = shutil.disk_usage(folder if folder.exists() else "/")
    return usage.free / usage.total >= MIN_FREE_SHARE


def _has_free_memory() -> bool:
    memory = psutil.virtual_memory()
    return bool(memory.available / memory.total >= MIN_FREE_SHARE)
