"""ETags: the version of an object, so that a change made from an old copy is refused instead of overwriting others."""

import re
from typing import Annotated, TypeVar

from litestar import Response
from litestar.params import HeaderParameter

from schema.api_keys import ApiKey
from schema.channels import Channel
from schema.escalations import Escalation
from schema.incidents import IncidentDetail
from schema.monitors import Monitor
from schema.proxies import Proxy
from schema.settings import Setting
from schema.tags import Tag
from schema.user_admin import UpdatedUser, UserDetail
from schema.webhooks import WebhookEndpoint

Versioned = TypeVar(
    "Versioned",
    ApiKey,
    Monitor,
    Channel,
    Proxy,
    UserDetail,
    UpdatedUser,
    Setting,
    Tag,
    WebhookEndpoint,
    IncidentDetail,
    Escalation,
)
NO_VERSION = -1  # no object has it: stands for an ETag that we did not issue
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The ETag of the version that you change; the reply is 412 if it is not the newest.",
    ),
]
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


async def if_match(etag: IfMatch = None) -> int | None:
    """The version that a change was made from; None without a condition."""
    if etag is None or etag.strip() == "*":
        return None
    match = _ETAG.fullmatch(etag.strip())
    return int(match.group(1)) if match else NO_VERSION


def etag_header(version: int) -> dict[str, str]:
    """The ETag header for a version."""
    return {"ETag": f'"{version}"'}


def with_etag(resource: Versioned, *, status_code: int = 200) -> Response[Versioned]:
    """A response with the resource and its version as ETag."""
    return Response(resource, status_code=status_code, headers=etag_header(resource.version))
