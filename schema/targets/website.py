"""Targets of website monitors, as defined by document 002."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Body, Headers, Secret
from schema.targets.address import Url
from schema.targets.encryption import TlsCa, TlsCert, TlsKey
from schema.targets.http import Method, ProxyId, Username


class Website(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="website"):
    """A page: one status is right, and what its words lack or have too much of is a warning."""

    url: Url
    expected_status: Annotated[int, Meta(ge=100, le=599, description="The one status that is right.")] = 200
    method: Method = Method.GET
    headers: Headers = {}
    body: Body = ""
    auth_username: Annotated[Username, Meta(description="Basic authentication; empty: none.")] = ""
    auth_password: Secret = ""
    verify_ssl: Annotated[bool, Meta(description="An invalid certificate is an error.")] = True
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    follow_redirects: Annotated[bool, Meta(description="Up to ten; false takes a redirect as the answer.")] = True
    expected_content: Annotated[str, Meta(max_length=1_024, description="Text the page must contain.")] = ""
    unexpected_content: Annotated[str, Meta(max_length=1_024, description="Text the page must not contain.")] = ""
    proxy_id: ProxyId = ""
    assertions: Assertions = []
