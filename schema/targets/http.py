"""Targets that are HTTP(S) addresses."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schema.assertions import Assertions, Compare, Operator
from schema.field_types import Body, Headers, Port, Secret
from schema.targets.address import Url
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey

StatusCodes = Annotated[
    str,
    Meta(
        max_length=11,
        pattern=r"^([1-5][0-9]{2}|[1-5][xX]{2}|[1-5][0-9]{2}-[1-5][0-9]{2})$",
        description="One code (204), a class (2XX) or a range (200-299).",
    ),
]


class Method(StrEnum):
    """HTTP methods a check may use."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"


class Encoding(StrEnum):
    """The format of a body; sets its Content-Type."""

    JSON = "json"
    FORM = "form"
    XML = "xml"
    TEXT = "text"


class JsonLanguage(StrEnum):
    """Query languages for JSON."""

    JSONPATH = "jsonpath"
    JMESPATH = "jmespath"


class IpFamily(StrEnum):
    """Which IP addresses of a host a check may use."""

    ANY = "any"
    IPV4 = "4"
    IPV6 = "6"


class ClientAuth(StrEnum):
    """How a client authenticates at a token endpoint (RFC 6749, 2.3.1)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


ProxyId = Annotated[str, Meta(max_length=64, description="The proxy that checks go through; empty: none.")]
ResolverServer = Annotated[str, Meta(max_length=45, description="IP address; empty: the system's resolver.")]
Username = Annotated[str, Meta(max_length=255)]


class HttpBasicAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="basic"):
    """User name and password, sent with every request."""

    username: Username
    password: Secret = ""


class HttpBearerAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="bearer"):
    """A token, sent as `Authorization: Bearer`."""

    token: Secret


class HttpDigestAuth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="digest"):
    """Digest authentication (RFC 7616) with MD5 or SHA-256, as cameras, routers and other devices require."""

    username: Username
    password: Secret = ""


class OAuth2(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="oauth2"):
    """A token by client credentials (RFC 6749, 4.4), cached until it expires."""

    token_url: Url
    client_id: Annotated[str, Meta(min_length=1, max_length=255)]
    client_secret: Secret
    scopes: Annotated[str, Meta(max_length=1_024, description="Separated by spaces.")] = ""
    client_auth: ClientAuth = ClientAuth.BASIC


class Ntlm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="ntlm"):
    """NTLM authentication of Windows, on one connection."""

    username: Username
    password: Secret
    domain: Annotated[str, Meta(max_length=255)] = ""
    workstation: Annotated[str, Meta(max_length=255)] = ""


class HeaderAssertion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a response header must be; an absent header fails."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    operator: Operator = Operator.EQUALS
    expected: Annotated[str, Meta(max_length=2_048)]
    compare: Compare = None


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"):
    """An HTTP(S) address: its answer, its words, its speed and its certificate."""

    url: Url
    method: Method = Method.GET
    headers: Headers = {}
    body: Body = ""
    encoding: Annotated[Encoding | None, Meta(description="Sets the Content-Type; the body must be such.")] = None
    accepted_statuscodes: Annotated[list[StatusCodes], Meta(min_length=1, max_length=20)] = msgspec.field(
        default_factory=lambda: ["2XX"]
    )
    max_redirects: Annotated[int, Meta(ge=0, le=20, description="0 takes a redirect as the answer.")] = 10
    ignore_tls_errors: IgnoreTlsErrors = False
    keyword: Annotated[str, Meta(max_length=1_024, description="Text the body must contain.")] = ""
    invert_keyword: Annotated[bool, Meta(description="The keyword must be absent instead.")] = False
    regex: Annotated[str, Meta(max_length=1_024, description="RE2; the body must have a part that fits.")] = ""
    invert_regex: Annotated[bool, Meta(description="No part may fit instead.")] = False
    json_query: Annotated[
        str, Meta(max_length=1_024, description="Must find something in the body; its first hit is the value.")
    ] = ""
    json_query_language: JsonLanguage = JsonLanguage.JSONPATH
    header_assertions: Annotated[list[HeaderAssertion], Meta(max_length=20)] = []
    max_body_bytes: Annotated[int, Meta(ge=1, le=1_048_576, description="How much of the body is read, unpacked.")] = (
        1_048_576
    )
    auth: HttpBasicAuth | HttpBearerAuth | HttpDigestAuth | OAuth2 | Ntlm | None = None
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    ip_family: IpFamily = IpFamily.ANY
    resolver_server: ResolverServer = ""
    resolver_port: Port = 53
    proxy_id: ProxyId = ""
    degraded_after: Annotated[
        float | None, Meta(description="Seconds after which a passing answer counts as degraded.")
    ] = None
    check_cert_expiry: Annotated[bool, Meta(description="Degraded when the certificate ends soon.")] = False
    cert_warning_days: Annotated[int, Meta(ge=1, le=398)] = 14
    assertions: Assertions = []
