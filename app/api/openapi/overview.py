"""The general part of the OpenAPI document: description, sign-in methods, tags."""

from typing import Any

from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    Contact,
    ExternalDocumentation,
    License,
    Reference,
    SecurityScheme,
    Server,
    Tag,
)

# In order of precedence. Some generators set every scheme of an operation with their only token, which works as long as
# each has its own header or cookie. Basic works too, but is not declared: it would overwrite Bearer.
SECURITY: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="An access token, an API key (`pk_…`), or the installation's `API_ADMIN_TOKEN`. For programs.",
    ),
    "apiKey": SecurityScheme(
        type="apiKey",
        name="X-API-Key",
        security_scheme_in="header",
        description="An API key (`pk_…`), or the installation's `API_ADMIN_TOKEN`.",
    ),
    "session": SecurityScheme(
        type="apiKey",
        name="session_id",
        security_scheme_in="cookie",
        description="Set when you sign in. Changes also need `X-CSRF-Token`. Over TLS its name is `__Host-session_id`.",
    ),
}
DESCRIPTION = """Watches the services you host, alerts people when one fails, and can put it right.

**Signing in.** Send `Authorization: Bearer …` with an API key, or with the access token that `POST /auth/login`
returns. `Authorization: Basic …` with user name and password works, too.

**Errors** have one format: `{"error": {code, message, details, timestamp, request_id}}`. A 422 lists every invalid
field.

**Changes.** Absent fields stay as they are, in PUT as in PATCH. Secrets read `********`; send that back to keep them.
Send an object's `ETag` as `If-Match` to change it only if nobody else has changed it since.

**Lists** return everything, up to 1,000 items, or one page if you send `page` or `limit`."""
TAGS = {
    "Monitors": "The services to check: how, how often, and whom to alert.",
    "Heartbeats": "The stored results of checks, with the status of the monitor.",
    "Incidents": "Outages and incidents that people create, with their timelines.",
    "Notification channels": "Where alerts are sent, and with which texts.",
    "Escalations": "Channels to alert, step by step, while nobody acknowledges an incident.",
    "Deliveries": "Events sent to channels, with every attempt.",
    "Webhooks": "Signed HTTP callbacks that send events to programs.",
    "Push": "Reports of jobs and services, for monitors of type `push`.",
    "Tags": "Labels that group monitors and limit what viewers see.",
    "Proxies": "Proxies through which checks connect.",
    "Auth": "Signing up, in and out; second factors; your own account.",
    "Sessions": "Sign-ins, with their devices and addresses.",
    "API keys": "Credentials for programs.",
    "Users": "User accounts and their roles.",
    "Checks": "Monitors in the format of the checks API.",
    "Results": "Heartbeats in the format of the checks API.",
    "Plugins": "Monitor types in the format of the checks API, with their fields.",
    "Batches": "Running many checks at once.",
    "Settings": "Settings that admins change without a restart.",
    "Audit": "Changes and attempted changes, by user.",
    "Health": "Health, metrics and version of this installation.",
}

ROOT = "../.."  # of the application, seen from the document: a reverse proxy may serve it below a path


class NoExplorerRouter(Router):
    """Keeps Litestar from serving its own API explorers: `app.pages.explorer` serves ours."""

    def register(self, value: Any) -> list[Any]:
        """Drop the handler."""
        del value
        return []


def openapi_config(version: str) -> OpenAPIConfig:
    """Litestar's configuration for its part of the document."""
    return OpenAPIConfig(
        title="Watchkeeper",
        version=version,
        description=DESCRIPTION,
        license=License(name="MIT License", identifier="MIT"),
        contact=Contact(name="The Watchkeeper contributors"),
        servers=[Server(url=ROOT)],
        external_docs=ExternalDocumentation(url="api/v1/redoc", description="The same document on one page"),
        tags=[Tag(name=name, description=description) for name, description in TAGS.items()],
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        openapi_router=NoExplorerRouter("/openapi", route_handlers=[]),
        components=Components(security_schemes=SECURITY),
        security=[{name: []} for name in SECURITY],
    )
