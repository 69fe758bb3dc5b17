"""Examples of the OpenAPI document, by operation. Each body here is posted to the API by a test, and is taken."""

from typing import Any

from app.api.openapi.examples import bodies, channels, documented, monitors

REQUEST_BODIES: dict[str, Any] = {**bodies.REQUESTS, **documented.REQUESTS}
RESPONSE_BODIES = documented.RESPONSES
BY_TYPE: dict[str, dict[str, Any]] = {  # one of several, by its `type`
    "CreateMonitor": monitors.drafts(),
    "CreateChannel": channels.drafts(),
    "TestChannelDraft": channels.drafts(),
}
