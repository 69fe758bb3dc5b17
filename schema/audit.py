"""The audit log: who changed what, or attempted to."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct


class AuditOutcome(StrEnum):
    """How the action ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One change, or one attempted change."""

    seq: int
    at: datetime
    actor_id: Annotated[str, Meta(description="Id of the user. Empty when nobody was signed in.")]
    actor: Annotated[
        str, Meta(description="User name at that time; `system` for a change that Watchkeeper made by itself.")
    ]
    role: str
    via: Annotated[
        str,
        Meta(description="How the user authenticated: jwt, cookie, api_key, basic or token. Empty for nobody."),
    ]
    key_id: Annotated[str, Meta(description="Id of the API key, if the request used one.")]
    ip: str
    action: Annotated[str, Meta(description="What was done, such as monitor.updated.", examples=["monitor.updated"])]
    resource: str
    resource_id: str
    change: Annotated[
        dict[str, Any],
        Meta(description="The fields that were sent, with their values; secret values are ********."),
    ]
    outcome: AuditOutcome
    code: Annotated[str, Meta(description="Error code of a refused or failed action.")]
    request_id: str
    hash: Annotated[
        str, Meta(description="Hash over this entry and the one before it. `audit-verify` checks the chain.")
    ]


class NewAuditEntry(Struct, frozen=True, kw_only=True):
    """An entry to record; the log adds its time, number and hash."""

    actor_id: str = ""
    actor: str = ""
    role: str = ""
    via: str = ""
    key_id: str = ""
    ip: str = ""
    action: str
    resource: str = ""
    resource_id: str = ""
    change: dict[str, Any] = {}
    outcome: AuditOutcome
    code: str = ""
    request_id: str = ""
