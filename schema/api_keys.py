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
        description="`noun:read` or `noun:write`, the noun being the first word of a path; who may write may read.",
        examples=["monitors:read"],
    ),
]
Scopes = Annotated[
    list[Scope],
    Meta(max_length=100, description="What the key is narrowed to; null: everything its role covers; []: nothing."),
]
Networks = Annotated[
    list[Annotated[str, Meta(max_length=50)]],
    Meta(
        max_length=50,
        description="Addresses and networks the key may be used from; empty: from anywhere.",
        examples=[["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]],
    ),
]
Expiry = Annotated[datetime, Meta(tz=True, description="When the key ends; null: when it is switched off or removed.")]
KeyRole = Annotated[Role, Meta(description="At most the owner's; when the owner's shrinks, so does the key's.")]


class ApiKeyDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to create a key."""

    name: Name
    role: KeyRole = Role.VIEWER
    scopes: Scopes | None = None
    expires_at: Expiry | None = None
    networks: Networks = []
    active: bool = True


class ApiKeyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change. Absent fields stay."""

    name: Name | UnsetType = UNSET
    role: KeyRole | UnsetType = UNSET
    scopes: Scopes | UnsetType | None = UNSET
    expires_at: Expiry | UnsetType | None = UNSET
    networks: Networks | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key as returned: identified by its first characters; the key itself is never shown."""

    id: Uuid
    name: str
    prefix: Annotated[str, Meta(description="The key's first characters.", examples=["pk_hG4w9xQz"])]
    user_id: str
    username: Annotated[str, Meta(description="The owner.")]
    role: Annotated[Role, Meta(description="As it was given.")]
    effective_role: Annotated[Role, Meta(description="The lesser of the key's and its owner's.")]
    scopes: list[str] | None
    expires_at: datetime | None
    networks: list[str]
    active: bool
    last_used_at: Annotated[datetime | None, Meta(description="Right to about a minute.")]
    last_used_ip: str
    version: Annotated[int, Meta(description="Grows with every change; the ETag.")]
    created_at: datetime
    updated_at: datetime


class IssuedApiKey(ApiKey, frozen=True, kw_only=True):
    """A key that was just created."""

    key: Annotated[str, Meta(description="The key itself: shown now, and never again.")]
