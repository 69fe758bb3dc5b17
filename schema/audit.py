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
    actor_id: Annotated[str, Meta(description="Empty when nobody was signed in.")]
    actor: Annotated[str, Meta(description="The user name at that time.")]
    role: str
    via: Annotated[str, Meta(description="jwt, cookie, api_key, basic or token; empty for nobody.")]
    key_id: Annotated[str, Meta(description="Of the API key, when it was one.")]
    ip: str
    action: Annotated[str, Meta(description="Such as monitor.updated.", examples=["monitor.updated"])]
    resource: str
    resource_id: str
    change: Annotated[
        dict[str, Any],
        Meta(description="Names of the fields that were sent, with what may be shown of them; the rest is ********."),
    ]
    outcome: AuditOutcome
    code: Annotated[str, Meta(description="Why not: the code of the refusal.")]
    request_id: str
    hash: Annotated[str, Meta(description="Chains this entry to the one before; `audit-verify` checks it.")]


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
