"""Settings that admins change at run time: a catalogue of keys, each with type, default and description.

What a process must know before it opens the database is an environment variable (`app/env_vars.py`).
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Network = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=49,
        pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$(?!\n)",
        description="An IP address, or a network such as 10.0.0.0/8 or fd00::/8.",
        examples=["10.0.0.0/8"],
    ),
]
Networks = Annotated[list[Network], Meta(max_length=200)]


SocketPath = Annotated[
    str, Meta(min_length=2, max_length=255, pattern=r"^/[^\0\n]+$(?!\n)", description="Where a Unix socket is.")
]
DEFAULT_SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock", "/var/run/docker.sock")


class EgressPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where connections may go. The narrowest network that contains an address decides; `deny` wins a tie."""

    allow_private: Annotated[bool, Meta(description="Addresses that are not public may be reached.")] = True
    allow: Annotated[Networks, Meta(description="May be reached, whatever `allow_private` says.")] = []
    deny: Annotated[Networks, Meta(description="May not be reached.")] = []
    sockets: Annotated[
        list[SocketPath], Meta(max_length=50, description="Unix sockets of a worker's machine that checks may reach.")
    ] = msgspec.field(default_factory=lambda: list(DEFAULT_SOCKETS))


NotifyDays = Annotated[
    list[Annotated[int, Meta(ge=0, le=90)]],
    Meta(max_length=20, description="Days before the end; 0: when it has ended. Empty: nobody is told."),
]
Hours = Annotated[int, Meta(ge=1, le=720, description="Hours.")]
AdHocRole = Annotated[Literal["operator", "admin"], Meta(description="The least role.")]
SettingValue = EgressPolicy | NotifyDays | int | str  # union of the types in CATALOGUE


class SettingDefinition(Struct, frozen=True):
    """Type, default and description of a setting."""

    type: Any
    default: Any
    description: str


CATALOGUE: dict[str, SettingDefinition] = {
    "checks.ad_hoc_role": SettingDefinition(
        AdHocRole, "operator", "Who may run checks that are kept nowhere, and so choose where they connect."
    ),
    "delivery.give_up_after": SettingDefinition(
        Hours, 24, "Hours after which a delivery that never worked is given up."
    ),
    "egress.checks": SettingDefinition(
        EgressPolicy, EgressPolicy(), "Where checks may connect, and proxies on their way."
    ),
    "egress.webhooks": SettingDefinition(EgressPolicy, EgressPolicy(), "Where webhooks may be sent."),
    "egress.senders": SettingDefinition(EgressPolicy, EgressPolicy(), "Where every other kind of channel may be sent."),
    "egress.oauth": SettingDefinition(EgressPolicy, EgressPolicy(), "Where OAuth2 tokens may be asked for."),
    "expiry.notify_days": SettingDefinition(
        NotifyDays, [30, 14, 7, 3, 1, 0], "How many days before a certificate or a domain ends it is told."
    ),
}


class Setting(Struct, frozen=True, kw_only=True):
    """A setting with its current value."""

    key: str
    value: SettingValue
    default: SettingValue
    description: str
    version: Annotated[int, Meta(description="Grows with every change; the ETag. 0: the default holds.")]
    updated_at: datetime | None = None


class SettingPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new value. Absent fields of an object stay."""

    value: Annotated[Any, Meta(description="Of the key's own type; GET shows the default.")]
