"""Channels of type webhook."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.channels.fields import HeaderName
from schema.channels.rules import Template
from schema.field_types import ProxyId, Restricted, Secret
from schema.targets import Url

MediaType = Annotated[
    str,
    Meta(
        max_length=128,
        pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(; ?[ -~]+)?$(?!\n)",
        description="Media type of the body, sent as `Content-Type`. The body is in UTF-8. Default: application/json.",
        examples=["text/plain; charset=utf-8"],
    ),
]
BodyTemplate = Annotated[
    Template,
    Meta(
        extra={"restricted": Restricted.ALL},
        description="Template in Liquid of the request's body. Empty: the event as JSON, or no body with GET."
        " Not shown to viewers.",
        examples=['{"text": {{ title | json }}}'],
    ),
]
QueryTemplate = Annotated[
    Template, Meta(extra={"restricted": Restricted.ALL}, description="Template in Liquid of a value.")
]
QueryName = Annotated[str, Meta(min_length=1, max_length=128)]
Username = Annotated[
    str, Meta(max_length=255, description="User name for HTTP Basic authentication, with `password`. Empty: none.")
]
BearerToken = Annotated[
    Secret, Meta(description="Token to send as `Authorization: Bearer`. Stored encrypted; shown as ********.")
]


class WebhookMethod(StrEnum):
    """HTTP methods of webhook channels."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    GET = "GET"


class Webhook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"):
    """An HTTP request with the event as JSON or a body of your own, signed if `secret` is set."""

    url: Annotated[
        Url,
        Meta(
            extra={"restricted": Restricted.PATH},
            description="URL that receives the event. Viewers see only its scheme and host.",
        ),
    ]
    secret: Annotated[
        Secret,
        Meta(description="Secret that signs the body. Empty: no signature. Stored encrypted; shown as ********."),
    ] = ""
    headers: Annotated[
        dict[HeaderName, Secret], Meta(max_length=50, description="Headers to send with every request, by name.")
    ] = {}
    previous_secret: Annotated[
        Secret, Meta(description="Secret that signs too, during a rotation. Stored encrypted; shown as ********.")
    ] = ""
    method: Annotated[WebhookMethod, Meta(description="HTTP method: POST (default), PUT, PATCH or GET.")] = (
        WebhookMethod.POST
    )
    body: BodyTemplate = ""
    content_type: MediaType = "application/json"
    query: Annotated[
        dict[QueryName, QueryTemplate],
        Meta(
            max_length=50,
            description="Parameters to add to the query of the URL, by name. Values are templates in Liquid, and are"
            " encoded. Not shown to viewers.",
        ),
    ] = {}
    username: Username = ""
    password: Secret = ""
    bearer_token: BearerToken = ""
    proxy_id: ProxyId = ""
