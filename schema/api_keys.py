"""API keys: how programs authenticate, and what each key may do."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Name, Uuid
from schema.status import Role

Scope = Annotated[
    str,
    Meta(
        max_length=80,
        pattern=r"^[a-z][a-z0-9-]*:(read|write)$",
        description="`noun:read` or `noun:write`; the noun is the first part of a path. `write` includes `read`.",
        examples=["monitors:read"],
    ),
]
Scopes = Annotated[
    list[Scope],
    Meta(max_length=100, description="Scopes that limit the key. null: everything that its role allows; []: nothing."),
]
Networks = Annotated[
    list[Annotated[str, Meta(max_length=50)]],
    Meta(
        max_length=50,
        description="IP addresses and networks (CIDR) that may use the key. Empty: any address.",
        examples=[["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]],
    ),
]
Expiry = Annotated[datetime, Meta(tz=True, description="When the key expires. null: never.")]
KeyRole = Annotated[
    Role, Meta(description="Role of the key, at most the owner's. A lower role of the owner also limits the key.")
]


class ApiKeyDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new API key."""

    name: Name
    role: KeyRole = Role.VIEWER
    scopes: Scopes | None = None
    expires_at: Expiry | None = None
    networks: Networks = []
    active: bool = True


class ApiKeyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to an API key. Absent fields stay."""

    name: Name | UnsetType = UNSET
    role: KeyRole | UnsetType = UNSET
    scopes: Scopes | UnsetType | None = UNSET
    expires_at: Expiry | UnsetType | None = UNSET
    networks: Networks | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class ApiKey(Struct, frozen=True, kw_only=True):
    """An API key as returned. `prefix` identifies it; the key itself is not shown."""

    id: Uuid
    name: str
    prefix: Annotated[str, Meta(description="First characters of the key.", examples=["pk_hG4w9xQz"])]
    user_id: str
    username: Annotated[str, Meta(description="User name of the owner.")]
    role: Annotated[Role, Meta(description="Role that the key was given.")]
    effective_role: Annotated[Role, Meta(description="Role that applies: the lower one of the key's and its owner's.")]
    scopes: list[str] | None
    expires_at: datetime | None
    networks: list[str]
    active: bool
    last_used_at: Annotated[datetime | None, Meta(description="Last use, accurate to about a minute.")]
    last_used_ip: str
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]
    created_at: datetime
    updated_at: datetime


class IssuedApiKey(ApiKey, frozen=True, kw_only=True):
    """A new API key, with the key itself."""

    key: Annotated[str, Meta(description="The key. It is shown only in this response.")]
