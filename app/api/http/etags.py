"""ETags: a change made from an old copy is refused, and a copy that is still the newest is not sent again."""

import re
from hashlib import blake2b
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter
from litestar.status_codes import HTTP_200_OK, HTTP_304_NOT_MODIFIED
from litestar.types import Scope
from litestar.types.asgi_types import HTTPResponseStartEvent

from app.store.versions import ExpectedVersion
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
_json = msgspec.json.Encoder()

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match",
        description="The ETag of the version that you change, several of them separated by commas, or `*` for any; the"
        " reply is 412 if none is the newest.",
    ),
]
CONTENT_HEADERS = frozenset({b"content-type", b"content-length", b"content-encoding"})
DIGEST_BYTES = 6  # differs with near certainty between two states of one version
_TAG = re.compile(r'(W/)?("[^"]*")')
_VERSION = re.compile(r'"(\d{1,9})(?:-[0-9a-f]+)?"')


async def if_match(request: Request[Any, Any, Any], etag: IfMatch = None) -> ExpectedVersion:
    """The versions that a change may be made from; None without a condition.

    Tags are compared strongly (RFC 9110, 13.1.1): a weak one, and one that we did not issue, is no version. Of ours the
    version counts, so that a monitor can be changed although its status is another one by now. `"3"` alone is one too.
    """
    del etag  # declared for the document; the header may be sent several times
    text = ",".join(request.headers.getall("If-Match", []))
    if not text or text.strip() == "*":
        return None
    strong_tags = (tag for weak, tag in _TAG.findall(text) if not weak)
    return frozenset(int(version[1]) for tag in strong_tags if (version := _VERSION.fullmatch(tag)))


def etag_header(resource: Any, version: int) -> dict[str, str]:
    """The ETag header of a resource: its version, and a digest of all that is shown, such as a monitor's status."""
    digest = blake2b(_json.encode(resource), digest_size=DIGEST_BYTES).hexdigest()
    return {"ETag": f'"{version}-{digest}"'}


def with_etag(resource: Versioned, *, status_code: int = 200) -> Response[Versioned]:
    """A response with the resource and its ETag."""
    return Response(resource, status_code=status_code, headers=etag_header(resource, resource.version))


def become_not_modified(start: HTTPResponseStartEvent, scope: Scope) -> bool:
    """Turn the beginning of a 200 into a 304 if the client names its ETag in `If-None-Match`; returns whether it did.

    Tags are compared weakly (RFC 9110, 13.1.2), since a proxy that compresses weakens them.
    """
    if start["status"] != HTTP_200_OK or scope.get("method") != "GET":
        return False
    known = b",".join(value for name, value in scope["headers"] if name == b"if-none-match").decode("latin-1")
    etag = next((value.decode("latin-1") for name, value in start["headers"] if name.lower() == b"etag"), None)
    if not known or etag is None or (known.strip() != "*" and etag not in {tag for _, tag in _TAG.findall(known)}):
        return False
    start["status"] = HTTP_304_NOT_MODIFIED
    start["headers"] = [pair for pair in start["headers"] if pair[0].lower() not in CONTENT_HEADERS]
    return True
