"""Proxies that checks may connect through."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Host, Name, Port, Secret, Uuid

Username = Annotated[str, Meta(max_length=255)]


class ProxyProtocol(StrEnum):
    """The protocol of a proxy. With socks5h and http(s), the proxy resolves host names."""

    HTTP = "http"
    HTTPS = "https"
    SOCKS4 = "socks4"
    SOCKS5 = "socks5"
    SOCKS5H = "socks5h"


class ProxyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address of a proxy, and our credentials for it."""

    protocol: ProxyProtocol
    host: Host
    port: Port
    username: Username = ""
    password: Secret = ""


class ProxyDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to create a proxy."""

    name: Name
    protocol: ProxyProtocol
    host: Host
    port: Port
    username: Username = ""
    password: Secret = ""


class ProxyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change. Absent fields stay."""

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
    monitors: Annotated[int, Meta(description="How many monitors go through it.")]
    version: Annotated[int, Meta(description="Grows with every change; the ETag.")]
    created_at: datetime
    updated_at: datetime
