"""Targets that are HTTP(S) addresses."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schema.assertions import Assertions, Compare, Operator
from schema.field_types import Body, Headers, Port, ProxyId, Secret
from schema.targets.address import Url
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey

StatusCodes = Annotated[
    str,
    Meta(
        max_length=11,
        pattern=r"^([1-5][0-9]{2}|[1-5][xX]{2}|[1-5][0-9]{2}-[1-5][0-9]{2})$",
        description="A code (204), a class (2XX) or a range (200-299).",
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


ResolverServer = Annotated[
    str, Meta(max_length=45, description="IP address of the name server for the host. Empty: the system's resolver.")
]
Username = Annotated[str, Meta(max_length=255, description="User name.")]


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
    client_id: Annotated[str, Meta(min_length=1, max_length=255, description="Client id.")]
    client_secret: Secret
    scopes: Annotated[str, Meta(max_length=1_024, description="Scopes to request, separated by spaces.")] = ""
    client_auth: Annotated[ClientAuth, Meta(description="How the client authenticates.")] = ClientAuth.BASIC


class Ntlm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="method", tag="ntlm"):
    """NTLM authentication of Windows, on one connection."""

    username: Username
    password: Secret
    domain: Annotated[str, Meta(max_length=255, description="Windows domain. Empty: none.")] = ""
    workstation: Annotated[str, Meta(max_length=255, description="Name of the workstation to send. Empty: none.")] = ""


class HeaderAssertion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a response header must be; an absent header fails."""

    name: Annotated[str, Meta(min_length=1, max_length=128, description="Name of the header.")]
    operator: Annotated[Operator, Meta(description="How to compare.")] = Operator.EQUALS
    expected: Annotated[
        str, Meta(max_length=2_048, description="The value to compare with; an RE2 pattern for `matches`.")
    ]
    compare: Compare = None


class Http(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="http"):
    """An HTTP(S) URL: checks the response, its content, its duration and the certificate."""

    url: Url
    method: Annotated[Method, Meta(description="HTTP method.")] = Method.GET
    headers: Headers = {}
    body: Body = ""
    encoding: Annotated[
        Encoding | None,
        Meta(description="Format of the body: sets the Content-Type, and the body must be valid. null: as it is."),
    ] = None
    accepted_statuscodes: Annotated[
        list[StatusCodes], Meta(min_length=1, max_length=20, description="Status codes that pass.")
    ] = msgspec.field(default_factory=lambda: ["2XX"])
    max_redirects: Annotated[
        int, Meta(ge=0, le=20, description="Most redirects to follow. 0: the redirect is the response.")
    ] = 10
    ignore_tls_errors: IgnoreTlsErrors = False
    keyword: Annotated[str, Meta(max_length=1_024, description="Text the body must contain.")] = ""
    invert_keyword: Annotated[bool, Meta(description="The keyword must be absent instead.")] = False
    regex: Annotated[str, Meta(max_length=1_024, description="RE2 pattern that must match a part of the body.")] = ""
    invert_regex: Annotated[bool, Meta(description="The pattern must not match instead.")] = False
    json_query: Annotated[
        str,
        Meta(
            max_length=1_024,
            description="JSON query that must match in the body. Its first match is the value for assertions.",
        ),
    ] = ""
    json_query_language: Annotated[
        JsonLanguage, Meta(description="Language of `json_query`: jsonpath or jmespath.")
    ] = JsonLanguage.JSONPATH
    header_assertions: Annotated[
        list[HeaderAssertion], Meta(max_length=20, description="Conditions on response headers.")
    ] = []
    max_body_bytes: Annotated[
        int, Meta(ge=1, le=1_048_576, description="Most bytes of the decompressed body to read.")
    ] = 1_048_576
    auth: HttpBasicAuth | HttpBearerAuth | HttpDigestAuth | OAuth2 | Ntlm | None = None
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    ip_family: Annotated[IpFamily, Meta(description="IP addresses to use: any, 4 or 6.")] = IpFamily.ANY
    resolver_server: ResolverServer = ""
    resolver_port: Annotated[Port, Meta(description="Port of the name server.")] = 53
    proxy_id: ProxyId = ""
    degraded_after: Annotated[
        float | None, Meta(description="Degraded when the check takes longer than this, in seconds. null: never.")
    ] = None
    check_cert_expiry: Annotated[
        bool, Meta(description="Degraded when the certificate expires within `cert_warning_days`.")
    ] = False
    cert_warning_days: Annotated[int, Meta(ge=1, le=398, description="Days before the expiry.")] = 14
    assertions: Assertions = []
