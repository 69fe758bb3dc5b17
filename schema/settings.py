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
        description="IP address, or network such as 10.0.0.0/8 or fd00::/8.",
        examples=["10.0.0.0/8"],
    ),
]
Networks = Annotated[list[Network], Meta(max_length=200)]


SocketPath = Annotated[
    str, Meta(min_length=2, max_length=255, pattern=r"^/[^\0\n]+$(?!\n)", description="Path of a Unix socket.")
]
DEFAULT_SOCKETS = ("/run/docker.sock", "/run/podman/podman.sock", "/var/run/docker.sock")


class EgressPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which addresses may be connected to. The narrowest matching network decides; `deny` wins over `allow`."""

    allow_private: Annotated[
        bool, Meta(description="Whether addresses that are not public may be connected to. Default: true.")
    ] = True
    allow: Annotated[
        Networks, Meta(description="Addresses and networks that are allowed even if `allow_private` is false.")
    ] = []
    deny: Annotated[Networks, Meta(description="Addresses and networks that are forbidden.")] = []
    sockets: Annotated[
        list[SocketPath],
        Meta(max_length=50, description="Unix sockets on a worker's machine that checks may connect to."),
    ] = msgspec.field(default_factory=lambda: list(DEFAULT_SOCKETS))


NotifyDays = Annotated[
    list[Annotated[int, Meta(ge=0, le=90)]],
    Meta(max_length=20, description="Days before the expiry; 0: on expiry. Empty: no notices."),
]
Hours = Annotated[int, Meta(ge=1, le=720, description="Hours, 1 to 720.")]
AdHocRole = Annotated[Literal["operator", "admin"], Meta(description="Lowest role.")]
SettingValue = EgressPolicy | NotifyDays | int | str  # union of the types in CATALOGUE


class SettingDefinition(Struct, frozen=True):
    """Type, default and description of a setting."""

    type: Any
    default: Any
    description: str


CATALOGUE: dict[str, SettingDefinition] = {
    "checks.ad_hoc_role": SettingDefinition(
        AdHocRole, "operator", "Lowest role that may run ad-hoc checks, and so choose where they connect."
    ),
    "delivery.give_up_after_hours": SettingDefinition(
        Hours, 24, "Hours after which an undelivered message is given up."
    ),
    "egress.checks": SettingDefinition(
        EgressPolicy, EgressPolicy(), "Addresses that checks and their proxies may connect to."
    ),
    "egress.webhooks": SettingDefinition(EgressPolicy, EgressPolicy(), "Addresses that webhooks may be sent to."),
    "egress.senders": SettingDefinition(
        EgressPolicy, EgressPolicy(), "Addresses that all other channels may be sent to."
    ),
    "egress.oauth": SettingDefinition(
        EgressPolicy, EgressPolicy(), "Addresses that OAuth2 tokens may be requested from."
    ),
    "expiry.notify_days": SettingDefinition(
        NotifyDays, [30, 14, 7, 3, 1, 0], "Days before a certificate or a domain expires on which a notice is sent."
    ),
}


class Setting(Struct, frozen=True, kw_only=True):
    """A setting with its current value."""

    key: str
    value: SettingValue
    default: SettingValue
    description: str
    version: Annotated[int, Meta(description="Increases with every change; also the ETag. 0: the default applies.")]
    updated_at: datetime | None = None


class SettingPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new value. Absent fields of an object stay."""

    value: Annotated[Any, Meta(description="New value, of the setting's type. GET shows the type by its default.")]
