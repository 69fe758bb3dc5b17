"""Webhooks: HTTP endpoints that subscribe to events."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.channels.fields import HeaderName
from schema.channels.rules import EventPatterns
from schema.channels.webhook import BearerToken, Username
from schema.events import EventKind
from schema.field_types import Name, ProxyId, Secret, Uuid
from schema.targets import Url

SigningSecret = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4_096,
        extra={"secret": True},
        description="Secret that signs the bodies. Stored encrypted; shown as ********, and once when it is generated.",
    ),
]
Events = Annotated[EventPatterns, Meta(description="Events to send: names or patterns such as `monitor.*` and `*`.")]
Headers = Annotated[
    dict[HeaderName, Secret], Meta(max_length=50, description="Headers to send with every request, by name.")
]
WebhookState = Literal["ok", "failing", "backing_off", "disabled"]


class WebhookDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new webhook."""

    url: Url
    events: Events
    secret: Annotated[SigningSecret | None, Meta(description="Default: a generated secret, shown in the response.")] = (
        None
    )
    name: Annotated[Name | None, Meta(description="Default: the host of the URL.")] = None
    active: bool = True
    headers: Headers = {}
    username: Username = ""
    password: Secret = ""
    bearer_token: BearerToken = ""
    proxy_id: ProxyId = ""


class WebhookPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a webhook. Absent fields stay."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    secret: SigningSecret | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    headers: Headers | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    password: Secret | UnsetType = UNSET
    bearer_token: BearerToken | UnsetType = UNSET
    proxy_id: ProxyId | UnsetType = UNSET


class WebhookHealth(Struct, frozen=True, kw_only=True):
    """Whether the endpoint accepts deliveries.

    state      backing_off: it failed often, so nothing is sent for a while; disabled: it rejected deliveries
               permanently, and nothing is sent until you change or activate it
    failures   consecutive temporary failures
    reason     why it was disabled
    """

    state: WebhookState
    failures: int
    backing_off_until: datetime | None
    disabled_at: datetime | None
    reason: str


class WebhookEndpoint(Struct, frozen=True, kw_only=True):
    """A webhook as returned, with secrets masked."""

    id: Uuid
    name: str
    url: str
    events: list[str]
    active: bool
    secret: Annotated[str, Meta(description="********, except in the response that generates the secret.")]
    previous_secret_until: Annotated[datetime | None, Meta(description="Until when the previous secret also signs.")]
    headers: dict[str, str]
    username: str
    password: Secret
    bearer_token: BearerToken
    proxy_id: str
    health: WebhookHealth
    version: int
    created_at: datetime
    updated_at: datetime


class WebhookSecret(Struct, frozen=True, kw_only=True):
    """A new secret, shown only once."""

    id: Uuid
    secret: str
    previous_secret_until: datetime


class WebhookTestRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The event to send an example of."""

    event: EventKind = EventKind.TEST


class WebhookDelivery(Struct, frozen=True, kw_only=True):
    """One event for one webhook. `id` is the `X-Webhook-Id` of the request."""

    id: Uuid
    event: str
    event_id: str
    state: str
    attempt_count: int
    error: str
    occurred_at: datetime
    created_at: datetime
    next_attempt_at: datetime | None
    sent_at: datetime | None
