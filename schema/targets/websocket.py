"""Targets that are WebSocket endpoints."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.assertions import Assertions
from schema.field_types import Body, Headers, ProxyId, Restricted
from schema.targets.encryption import IgnoreTlsErrors, TlsCa, TlsCert, TlsKey

WebSocketUrl = Annotated[
    str,
    Meta(
        min_length=6,
        max_length=2_048,
        pattern=r"^[Ww][Ss][Ss]?://[^\s@/?#]+(?:[/?#]\S*)?$",
        extra={"restricted": Restricted.QUERY},
        description="A ws or wss URL without credentials. Viewers don't see its query.",
        examples=["wss://example.org/live"],
    ),
]
Token = Annotated[
    str, Meta(max_length=128, extra={"restricted": Restricted.ALL}, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]*$(?!\n)")
]


class WebSocket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="websocket"):
    """A WebSocket: checks that it opens, and which messages it sends."""

    url: WebSocketUrl
    headers: Headers = {}
    subprotocol: Annotated[
        Token, Meta(description="Subprotocol that the server must select. Empty: none. Not shown to viewers.")
    ] = ""
    send: Annotated[
        Body, Meta(description="Text message to send after the connection is open. Not shown to viewers.")
    ] = ""
    expect: Annotated[
        str, Meta(max_length=1_024, description="Text that one of the received messages must contain.")
    ] = ""
    ignore_tls_errors: IgnoreTlsErrors = False
    tls_cert: TlsCert = ""
    tls_key: TlsKey = ""
    tls_ca: TlsCa = ""
    proxy_id: ProxyId = ""
    assertions: Assertions = []
