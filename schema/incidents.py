"""Incidents: outages from their first failing check to their end, and incidents that people open."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Uuid

Title = Annotated[str, Meta(min_length=1, max_length=200, description="What people read first.")]
MonitorId = Annotated[str, Meta(max_length=36)]
Zoned = Annotated[datetime, Meta(tz=True)]
NoteText = Annotated[str, Meta(min_length=1, max_length=5_000)]
PostMortem = Annotated[
    str, Meta(max_length=50_000, description="What was learned: why it happened, what is done about it.")
]


class IncidentKind(StrEnum):
    """Who opened the incident."""

    AUTOMATIC = "automatic"  # a monitor went down
    MANUAL = "manual"  # a user opened it


class IncidentStatus(StrEnum):
    """The state of an incident. An acknowledged incident still becomes resolved when it ends."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class EntryKind(StrEnum):
    """The kind of a timeline entry. Entries about notifications are read from deliveries and not stored."""

    DETECTED = "detected"
    NOTIFIED = "notified"
    UNDELIVERED = "undelivered"
    SUPPRESSED = "suppressed"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    NOTE = "note"
    RESOLVED = "resolved"


class TimelineEntry(Struct, frozen=True, kw_only=True):
    """One entry of a timeline."""

    at: datetime
    kind: EntryKind
    text: str
    author: Annotated[str, Meta(description="Who did it; empty: Watchkeeper.")] = ""
    channel_id: Annotated[str | None, Meta(description="Of a telling: the channel.")] = None
    channel: Annotated[str, Meta(description="Its name.")] = ""
    event: Annotated[str, Meta(description="Of a telling: the event that was told.")] = ""


class AffectedMonitor(Struct, frozen=True, kw_only=True):
    """The monitor an incident is about. `name` is empty once the monitor was deleted."""

    id: Uuid
    name: str


class IncidentDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client sends to open an incident."""

    title: Title
    monitor_id: Annotated[MonitorId | None, Meta(description="What it is about, if it is a monitor.")] = None
    text: Annotated[str, Meta(max_length=5_000, description="The first note of the timeline.")] = ""
    is_public: Annotated[bool, Meta(description="May be shown to everybody.")] = False
    started_at: Annotated[Zoned | None, Meta(description="Default: now.")] = None


class IncidentPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change. Absent fields stay."""

    title: Title | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET
    post_mortem: PostMortem | UnsetType = UNSET
    started_at: Zoned | UnsetType = UNSET


class IncidentNoteDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note to add to a timeline."""

    text: NoteText


class Incident(Struct, frozen=True, kw_only=True):
    """An incident as returned in lists."""

    id: Uuid
    kind: IncidentKind
    status: IncidentStatus
    title: str
    monitor: AffectedMonitor | None
    is_public: bool
    started_at: Annotated[datetime, Meta(description="Of an outage: its first failing check.")]
    detected_at: Annotated[datetime, Meta(description="Of an outage: the check that was believed.")]
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None
    duration: Annotated[float | None, Meta(description="Seconds from start to end; null while it lasts.")]
    escalation_id: Uuid | None
    escalates_at: Annotated[datetime | None, Meta(description="When the next ones are told, unless somebody answers.")]
    post_mortem: str
    version: Annotated[int, Meta(description="Grows with every change; the ETag.")]
    created_at: datetime
    updated_at: datetime


class IncidentDetail(Incident, frozen=True, kw_only=True):
    """An incident with its timeline, oldest first."""

    timeline: list[TimelineEntry]


class IncidentMetrics(Struct, frozen=True, kw_only=True):
    """Incident metrics. Times in seconds; null when there are no incidents to count."""

    count: int
    open: Annotated[int, Meta(description="Not resolved yet.")]
    acknowledged: Annotated[int, Meta(description="Those that `mtta` is of.")]
    resolved: Annotated[int, Meta(description="Those that `mttr` is of.")]
    mtta: Annotated[float | None, Meta(description="Mean time from detection to acknowledgement.")]
    mtta_median: float | None
    mttr: Annotated[float | None, Meta(description="Mean time from start to end.")]
    mttr_median: float | None
    longest: Annotated[float | None, Meta(description="One that lasts counts as far as now.")]
