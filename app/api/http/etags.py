"""ETags: an object's version, so that a change made from an old copy is refused instead of lost."""

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
NO_VERSION = -1  # no object has it: what an ETag of somebody else's stands for
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="The ETag of the copy a change was made from.")
]
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


async def if_match(known: IfMatch = None) -> int | None:
    """The version a change was made from; None when the caller does not care."""
    if known is None or known.strip() == "*":
        return None
    found = _ETAG.fullmatch(known.strip())
    return int(found.group(1)) if found else NO_VERSION


def etag_header(version: int) -> dict[str, str]:
    """An object's version as its ETag."""
    return {"ETag": f'"{version}"'}


def with_etag(thing: Versioned, *, status_code: int = 200) -> Response[Versioned]:
    """A reply with the object's version as its ETag."""
    return Response(thing, status_code=status_code, headers=etag_header(thing.version))
