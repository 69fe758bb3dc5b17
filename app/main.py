"""create_app(): assembles the API from every controller. Granian runs it as a factory."""

import os
from asyncio import Task
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from litestar import Litestar, Request, Response, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin

from app import (
    db,
    interruptions,
    metrics,
    nodes,
    queue,
    startup,
    tasks,
    version,
)
from app.api.alerting.channels import ChannelController
from app.api.alerting.deliveries import DeliveryController
from app.api.alerting.webhooks import WebhookController
from app.api.compat.batches import BatchController
from app.api.compat.checks import CheckController
from app.api.compat.plugins import PluginController
from app.api.compat.results import ResultController
from app.api.http import (
    bodies as body,
    errors,
    idempotency,
    options,
    query_params,
    rate_limits,
    request_context,
    timeouts,
)
from app.api.identity.api_keys import ApiKeyController
from app.api.identity.auth import AuthController
from app.api.identity.invitations import InvitationController
from app.api.identity.oidc import OidcController
from app.api.identity.passkeys import PasskeyController
from app.api.identity.password import OwnPasswordController
from app.api.identity.sessions import SessionController
from app.api.identity.totp import TwoFactorController
from app.api.identity.users import UserController
from app.api.identity.viewer_tags import VisibleTagController
from app.api.incidents.escalations import EscalationController
from app.api.incidents.incidents import IncidentController
from app.api.live.connection_limits import ConnectionLimits
from app.api.live.websocket import live_lifespan, live_websocket
from app.api.monitoring.bulk import BulkController
from app.api.monitoring.heartbeats import HeartbeatController
from app.api.monitoring.monitors import MonitorController
from app.api.monitoring.proxies import ProxyController
from app.api.monitoring.push import PushController, alias as push_alias
from app.api.monitoring.tags import TagController
from app.api.openapi import bodies, overview
from app.api.system.audit import AuditController
from app.api.system.health import HealthController
from app.api.system.settings import SettingController
from app.domain.parsing.hosts import wire_authority
from app.pages import ack, explorer
from app.pages.explorer_files import ExplorerFiles
from app.security.auth import keyring, policy, principals
from app.security.auth.authorization import AccessRule
from app.security.limits import brute_force
from app.security.secrets import sealing
from app.settings import Settings, read_settings, with_secret_key
from app.store.audit import failed_logins
from app.store.identity import (
    api_key_auth,
    basic_auth,
    login_failures,
    sessions,
    signing_keys,
)
from schema.users import Principal

# under /api/v1
CONTROLLERS: list[Any] = [
    AuthController,
    ApiKeyController,
    OwnPasswordController,
    UserController,
    InvitationController,
    SessionController,
    TwoFactorController,
    PasskeyController,
    OidcController,
    BulkController,
    MonitorController,
    HeartbeatController,
    ChannelController,
    DeliveryController,
    PushController,
    ProxyController,
    CheckController,
    ResultController,
    PluginController,
    BatchController,
    SettingController,
    AuditController,
    TagController,
    VisibleTagController,
    WebhookController,
    IncidentController,
    EscalationController,
]
ROOT_HANDLERS: list[Any] = [
    HealthController,
    live_websocket,
    push_alias,
    *explorer.HANDLERS,
    *ack.HANDLERS,
]  # with their own complete paths
# the store's functions that `app.security.auth.principals` calls: it may not import the store
PRINCIPAL_LOOKUPS = {
    "holder_of": sessions.principal_of,
    "grant_of": api_key_auth.get_by_key,
    "grant_by_id": api_key_auth.get_by_id,
    "known_as": basic_auth.find_user,
}
RATE_LIMIT_HEADERS = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
EXPOSED_HEADERS = ["X-Request-ID", "ETag", "Link", "Retry-After", idempotency.REPLAYED_HEADER, *RATE_LIMIT_HEADERS]
ACCEPTED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-API-Key",
    "X-CSRF-Token",
    "X-Request-ID",
]


class Application(Litestar):
    """Litestar with msgspec only. Its plugins for Pydantic and attrs would take a sixth of the startup and 8 MB."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(settings: Settings | None = None, *, extra: Sequence[Any] = ()) -> Litestar:
    """Create the API's application.

    settings    None reads the environment
    extra       more handlers, for tests
    """
    settings = settings or read_settings(os.environ, Path.cwd())
    app = Application(
        route_handlers=[Router("/api/v1", route_handlers=CONTROLLERS), *ROOT_HANDLERS, *extra],
        lifespan=[open_resources, live_lifespan],
        state=State(dict(PRINCIPAL_LOOKUPS)),
        dto=body.JsonBodyDTO,
        return_dto=None,
        dependencies={"principal": Provide(get_principal)},
        before_request=admit_request,
        exception_handlers=errors.HANDLERS,
        request_max_body_size=body.LIMIT_BYTES,
        cors_config=_cors_config(settings),
        openapi_config=overview.openapi_config(version.VERSION),
        plugins=[bodies.NoStructSchemas()],
        logging_config=None,
    )
    query_params.declare_parameters(app)
    options.declare_allowed_methods(app)
    policy.declare_rules(app)
    rate_limits.declare_groups(app)
    app.asgi_handler = request_context.middleware(app.asgi_handler)
    configure_app(app, settings)
    return app


def configure_app(app: Litestar, settings: Settings) -> None:
    """Apply settings to the application, except CLIENT_URL's origin, which is set at its creation."""
    complete = with_secret_key(settings)
    sealing.prepare(complete)
    brute_force.prepare(complete, login_failures)
    shelf = ExplorerFiles(complete.data_dir / "explorer")
    app.state.update(
        {
            "settings": complete,
            "draining": False,
            "rates": rate_limits.create_limiter(complete),
            "crowd": ConnectionLimits(complete),
            "shelf": shelf,
        }
    )


async def admit_request(request: Request[Any, Any, Any]) -> Response[bytes] | None:
    """Run every check before a request's handler; returns the stored response of a repeated request."""
    handler = request.route_handler
    timeouts.exempt_from_timeout(request, handler)
    await rate_limits.enforce_limit(request, handler)
    query_params.validate_path(request)
    rule: AccessRule | None = handler.opt.get(policy.RULE)
    if rule is None:  # our bug: the route was added after `declare_rules`
        raise policy.UnguardedRoute(f"{request.method} {request.url.path} has no access rule")
    if rule.min_role is not None:
        rule.authorize(await principals.require_principal(request))
    await query_params.validate_parameters(request)
    return await idempotency.replay_or_claim(request)


async def get_principal(request: Request[Any, Any, Any]) -> Principal:
    """The principal of a request, for handlers."""
    return await principals.require_principal(request)


@asynccontextmanager
async def open_resources(app: Litestar) -> AsyncIterator[None]:
    """Open the database and Redis for the application's lifetime. Redis may be away."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        await db.start(settings)
        stack.push_async_callback(db.stop)
        await queue.start(settings)
        stack.push_async_callback(queue.stop)
        await startup.prepare(settings)
        stack.callback(keyring.set_keys, ())
        stack.push_async_callback(tasks.cancel, *_background_tasks(settings))
        stack.push_async_callback(app.state.shelf.stop)
        yield
        app.state.draining = True


def _background_tasks(settings: Settings) -> list[Task[None]]:
    """The tasks that run as long as the API."""
    return [
        tasks.start_permanent(nodes.register("api", settings), "node"),
        tasks.start_permanent(metrics.publish(nodes.node_id("api")), "metrics"),
        tasks.start_permanent(interruptions.watch_clock(nodes.node_id("api")), "clock"),
        tasks.start_permanent(api_key_auth.save_uses_forever(), "key_uses"),
        tasks.start_permanent(failed_logins.save_forever(), "guesses"),
        tasks.start_permanent(signing_keys.reload_forever(), "signing_keys"),
    ]


def _cors_config(settings: Settings) -> CORSConfig | None:
    """Pages of CLIENT_URL may call the API with cookies; no others."""
    client = urlsplit(settings.client_url)
    if not client.netloc:
        return None
    return CORSConfig(
        allow_origins=[f"{client.scheme}://{wire_authority(client.netloc)}"],
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=ACCEPTED_HEADERS,
        allow_credentials=True,
        expose_headers=EXPOSED_HEADERS,
    )
