"""Targets of website monitors, as defined by document 002."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Body, Headers, ProxyId, Secret
from schema.targets.address import Url
from schema.targets.encryption import TlsCa, TlsCert, TlsKey
from schema.targets.http import Method, Username


class Website(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="website"):
    """A web page: checks its status code and its content."""

    url: Url
    expected_status: Annotated[int, Meta(ge=100, le=599, description="Status code that passes.")] = 200
    method: Annotated[Method, Meta(description="HTTP method.")] = Method.GET
    headers: Headers = {}
    body: Body = ""
    auth_username: Annotated[Username, Meta(description="User name for Basic authentication. Empty: none.")] = ""
    auth_password: Secret = ""
    verify_ssl: Annotated[bool, Meta(description="An invalid certificate is a failure.")] = True
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    follow_redirects: Annotated[
        bool, Meta(description="Follow up to ten redirects. false: the redirect is the response.")
    ] = True
    expected_content: Annotated[
        str, Meta(max_length=1_024, description="Text that the page should contain; degraded without it.")
    ] = ""
    unexpected_content: Annotated[
        str, Meta(max_length=1_024, description="Text that the page should not contain; degraded with it.")
    ] = ""
    proxy_id: ProxyId = ""
    assertions: Assertions = []
