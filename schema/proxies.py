"""Proxies that checks, channels and webhooks may connect through."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Host, Name, Port, Secret, Uuid

Username = Annotated[str, Meta(max_length=255, description="User name for the proxy. Empty: no authentication.")]


class ProxyProtocol(StrEnum):
    """The protocol of a proxy. With socks5h and http(s), the proxy resolves host names."""

    HTTP = "http"
    HTTPS = "https"
    SOCKS4 = "socks4"
    SOCKS5 = "socks5"
    SOCKS5H = "socks5h"


class ProxyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address of a proxy, and the credentials for it."""

    protocol: ProxyProtocol
    host: Host
    port: Port
    username: Username = ""
    password: Secret = ""


class ProxyDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new proxy."""

    name: Name
    protocol: ProxyProtocol
    host: Host
    port: Port
    username: Username = ""
    password: Secret = ""


class ProxyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a proxy. Absent fields stay."""

    name: Name | UnsetType = UNSET
    protocol: ProxyProtocol | UnsetType = UNSET
    host: Host | UnsetType = UNSET
    port: Port | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    password: Secret | UnsetType = UNSET


class Proxy(Struct, frozen=True, kw_only=True):
    """A proxy as returned, with its password masked."""

    id: Uuid
    name: str
    protocol: ProxyProtocol
    host: str
    port: int
    username: str
    password: Secret
    monitors: Annotated[int, Meta(description="How many monitors use this proxy.")]
    channels: Annotated[int, Meta(description="How many channels and webhooks use this proxy.")]
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]
    created_at: datetime
    updated_at: datetime
