"""Escalations: who is notified next while nobody acknowledges an incident."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Name, Uuid

DAY_S = 86_400
EscalationId = Annotated[
    Annotated[str, Meta(max_length=36)] | None,
    Meta(description="Id of the escalation that starts when an outage begins. null: none."),
]
ChannelIds = Annotated[list[str], Meta(min_length=1, max_length=50, description="Ids of the channels to notify.")]
StepDelay = Annotated[
    int,
    Meta(
        ge=10,
        le=7 * DAY_S,
        description="Seconds after the step before; for the first step, after the incident was opened.",
        examples=[300],
    ),
]


class EscalationStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Channels to notify, and how long after the step before."""

    after: StepDelay
    channel_ids: ChannelIds


Steps = Annotated[list[EscalationStep], Meta(min_length=1, max_length=20)]
Repeat = Annotated[int, Meta(ge=0, le=100, description="How many times all steps are repeated after the first round.")]


class EscalationDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new escalation."""

    name: Name
    steps: Steps
    repeat: Repeat = 0


class EscalationPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to an escalation. Absent fields stay; `steps` are replaced as a whole."""

    name: Name | UnsetType = UNSET
    steps: Steps | UnsetType = UNSET
    repeat: Repeat | UnsetType = UNSET


class Escalation(Struct, frozen=True, kw_only=True):
    """An escalation as returned; deleted channels are removed from its steps."""

    id: Uuid
    name: str
    steps: list[EscalationStep]
    repeat: int
    monitors: Annotated[int, Meta(description="How many monitors use this escalation.")]
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]
    created_at: datetime
    updated_at: datetime
