"""Example bodies of the OpenAPI document, by operation. A test sends each request body to the API."""

from typing import Any

from app.api.openapi.examples import audit, bodies, channels, documented, monitors

REQUEST_BODIES: dict[str, Any] = {**bodies.REQUESTS, **documented.REQUESTS}
RESPONSE_BODIES = documented.RESPONSES
RESPONSE_TEXTS = audit.RESPONSE_TEXTS
BY_TYPE: dict[str, dict[str, Any]] = {  # by the `type` of the body
    "CreateMonitor": monitors.drafts(),
    "CreateChannel": channels.drafts(),
    "TestChannelDraft": channels.drafts(),
}
