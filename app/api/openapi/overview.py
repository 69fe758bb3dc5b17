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
    Tag,
)

# In order of precedence. Some generators set every scheme of an operation with their only token, which works as long as
# each has its own header or cookie. Basic works too, but is not declared: it would overwrite Bearer.
SECURITY: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="An access token, an API key (`pk_…`), or the installation's `API_ADMIN_TOKEN`: what programs use.",
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
        description="From signing in. Changes need `X-CSRF-Token` as well. Over TLS it is called `__Host-session_id`.",
    ),
}
DESCRIPTION = """Watches the services you host, alerts people when one fails, and can put it right.

**Signing in.** Send `Authorization: Bearer …` with an API key, or with the access token that `POST /auth/login`
returns. `Authorization: Basic …` with user name and password works, too.

**Refusals** have one shape, `{"error": {code, message, details, timestamp, request_id}}`; a 422 names every wrong
field at once.

**Changes.** Absent fields stay as they are. A secret reads `********`; sent back like that, it stays. `If-Match` with
an object's `ETag` makes sure that nobody else changed it meanwhile.

**Lists** are whole, or paged when `page` or `limit` is given."""
TAGS = {
    "Monitors": "What is watched, and how often.",
    "Heartbeats": "The results of checks, with the status each led to.",
    "Incidents": "Outages with their timelines, and incidents that people write down.",
    "Notification channels": "Where people are alerted, and in which words.",
    "Escalations": "Who is alerted next while nobody acknowledges an incident.",
    "Deliveries": "Every event on its way to a channel, with each attempt.",
    "Webhooks": "Programs that are sent events, signed.",
    "Push": "Where jobs report to: monitors of type `push`.",
    "Tags": "What monitors are grouped by, and what narrows a viewer.",
    "Proxies": "Ways out that checks can take.",
    "Auth": "Signing up, in and out; second factors; one's own account.",
    "Sessions": "Who is signed in, from where.",
    "API keys": "What programs sign in with.",
    "Users": "Who may sign in, and as what.",
    "Checks": "Monitors in the words of the checks API.",
    "Results": "Heartbeats in the words of the checks API.",
    "Plugins": "Monitor types in the words of the checks API, with their fields.",
    "Batches": "Many checks run side by side.",
    "Settings": "What admins can change while everything runs.",
    "Audit": "Who changed what.",
    "Health": "How this installation does; metrics; its version.",
}


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
        external_docs=ExternalDocumentation(url="/api/v1/redoc", description="The same as one page to read"),
        tags=[Tag(name=name, description=description) for name, description in TAGS.items()],
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        openapi_router=NoExplorerRouter("/openapi", route_handlers=[]),
        components=Components(security_schemes=SECURITY),
        security=[{name: []} for name in SECURITY],
    )
