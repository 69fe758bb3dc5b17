"""create_app(): the only file that knows every controller. Granian runs it as a factory."""

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

from app import db, first_steps, interruptions, metrics, nodes, queue, settings as configuration, tasks, versions
from app.api import (
    body,
    deadlines,
    encryption,
    idempotency,
    options,
    queries,
    rates,
    replies,
    requests,
    settling,
)
from app.api.api_keys import ApiKeyController
from app.api.audit import AuditController
from app.api.auth import AuthController
from app.api.batches import BatchController
from app.api.bulk import BulkController
from app.api.channels import ChannelController
from app.api.checks import CheckController
from app.api.crowd import Crowd
from app.api.deliveries import DeliveryController
from app.api.escalations import EscalationController
from app.api.health import HealthController
from app.api.heartbeats import HeartbeatController
from app.api.incidents import IncidentController
from app.api.invitations import InvitationController
from app.api.live import hub, live
from app.api.monitors import MonitorController
from app.api.oidc import OidcController
from app.api.openapi import bodies, overview
from app.api.own_password import OwnPasswordController
from app.api.passkeys import PasskeyController
from app.api.plugins import PluginController
from app.api.proxies import ProxyController
from app.api.push import PushController, alias as push_alias
from app.api.results import ResultController
from app.api.sessions import SessionController
from app.api.settings import SettingController
from app.api.tags import TagController
from app.api.two_factor import TwoFactorController
from app.api.users import UserController
from app.api.visible_tags import VisibleTagController
from app.api.webhooks import WebhookController
from app.pages import ack, explorer
from app.pages.shelf import Shelf
from app.security import attempts, keyring, policy, principals, sealing
from app.settings import Settings
from app.store import accounts, attempts as failures, grants, guesses, sessions, signing_keys
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
ROOTS: list[Any] = [
    HealthController,
    live,
    push_alias,
    *explorer.HANDLERS,
    *ack.HANDLERS,
]  # with whole paths of their own
# how `app.security.principals` asks the store, which lies above it
HOLDERS = {
    "holder_of": sessions.holder_of,
    "grant_of": grants.of_key,
    "grant_by_id": grants.of_id,
    "known_as": accounts.known_as,
}
RATES = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
EXPOSED = ["X-Request-ID", "ETag", "Link", "Retry-After", idempotency.REPLAYED, *RATES]
ACCEPTED = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-API-Key", "X-CSRF-Token", "X-Request-ID"]


class Application(Litestar):
    """Litestar for msgspec alone. Its plugins for models of Pydantic and attrs are a sixth of the start and 8 MB."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def create_app(settings: Settings | None = None, *, extra: Sequence[Any] = ()) -> Litestar:
    """The API's process.

    settings    None reads the environment
    extra       more handlers; for tests
    """
    found = settings or configuration.read(os.environ, Path.cwd())
    app = Application(
        route_handlers=[Router("/api/v1", route_handlers=CONTROLLERS), *ROOTS, *extra],
        lifespan=[resources, hub],
        state=State(dict(HOLDERS)),
        dto=body.Body,
        return_dto=None,
        dependencies={"principal": Provide(principal_of)},
        before_request=admitted,
        exception_handlers=replies.HANDLERS,
        request_max_body_size=body.LIMIT_BYTES,
        cors_config=_cors(found),
        openapi_config=overview.config(versions.OURS),
        plugins=[bodies.Blanks()],
        logging_config=None,
    )
    queries.declare(app)
    options.declare(app)
    policy.declare(app)
    rates.declare(app)
    app.asgi_handler = encryption.around(settling.around(requests.around(app.asgi_handler)))
    furnish(app, found)
    return app


def furnish(app: Litestar, settings: Settings) -> None:
    """Have the application run by these settings, but for CLIENT_URL's origin, which it is made with."""
    found = configuration.with_secret_key(settings)
    sealing.prepare(found)
    attempts.prepare(found, failures)
    shelf = Shelf(found.data_dir / "explorer")
    app.state.update(
        {"settings": found, "draining": False, "rates": rates.of(found), "crowd": Crowd(found), "shelf": shelf}
    )


async def admitted(request: Request[Any, Any, Any]) -> Response[bytes] | None:
    """What every request passes before its handler; a reply is one that was given before."""
    handler = request.route_handler
    deadlines.unhurried(request, handler)
    await rates.within(request, handler)
    queries.refuse_unstorable(request)
    await policy.enforce(request)
    await queries.refuse_unknown(request)
    return await idempotency.begin(request)


async def principal_of(request: Request[Any, Any, Any]) -> Principal:
    """Who asks, for handlers that want to know."""
    return await principals.required(request)


@asynccontextmanager
async def resources(app: Litestar) -> AsyncIterator[None]:
    """Database and Redis, from start to stop. Redis need not be there."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        await db.start(settings)
        stack.push_async_callback(db.stop)
        await queue.start(settings)
        stack.push_async_callback(queue.stop)
        await first_steps.take(settings)
        stack.callback(keyring.use, ())
        stack.push_async_callback(tasks.end, *_beside(settings))
        stack.push_async_callback(app.state.shelf.end)
        yield
        app.state.draining = True


def _beside(settings: Settings) -> list[Task[None]]:
    """What runs as long as the API does."""
    return [
        tasks.lasting(nodes.register("api", settings), "node"),
        tasks.lasting(metrics.publish(nodes.node_id("api")), "metrics"),
        tasks.lasting(interruptions.keep(nodes.node_id("api")), "clock"),
        tasks.lasting(grants.keep_uses_forever(), "key_uses"),
        tasks.lasting(guesses.keep_forever(), "guesses"),
        tasks.lasting(signing_keys.follow(), "signing_keys"),
    ]


def _cors(settings: Settings) -> CORSConfig | None:
    """Pages of CLIENT_URL may call us, with their cookies; no others."""
    client = urlsplit(settings.client_url)
    if not client.netloc:
        return None
    return CORSConfig(
        allow_origins=[f"{client.scheme}://{client.netloc}"],
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=ACCEPTED,
        allow_credentials=True,
        expose_headers=EXPOSED,
    )
