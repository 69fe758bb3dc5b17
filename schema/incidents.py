"""Incidents: outages from their first failing check to their end, and incidents that people open."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.field_types import Uuid

Title = Annotated[str, Meta(min_length=1, max_length=200, description="Title of the incident.")]
MonitorId = Annotated[str, Meta(max_length=36)]
Zoned = Annotated[datetime, Meta(tz=True)]
NoteText = Annotated[str, Meta(min_length=1, max_length=5_000)]
PostMortem = Annotated[str, Meta(max_length=50_000, description="Post-mortem: the cause, and what is done about it.")]


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
    author: Annotated[str, Meta(description="User name. Empty: done by Watchkeeper.")] = ""
    channel_id: Annotated[str | None, Meta(description="Id of the channel, for entries about notifications.")] = None
    channel: Annotated[
        str, Meta(description="Name of that channel; when the channel was deleted, the name that it had last.")
    ] = ""
    channel_type: Annotated[str, Meta(description="Type of that channel, such as `slack`.")] = ""
    channel_deleted_at: Annotated[
        datetime | None, Meta(description="When that channel was deleted; null while it exists.")
    ] = None
    event: Annotated[str, Meta(description="The event that was sent, for entries about notifications.")] = ""


class AffectedMonitor(Struct, frozen=True, kw_only=True):
    """The monitor an incident is about. After its deletion it has the name and type that it had last."""

    id: Uuid
    name: str
    type: str
    is_deleted: Annotated[bool, Meta(description="Whether the monitor was deleted.")]


class IncidentDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new incident."""

    title: Title
    monitor_id: Annotated[
        MonitorId | None, Meta(description="Id of the monitor that the incident is about, if any.")
    ] = None
    text: Annotated[str, Meta(max_length=5_000, description="First note of the timeline.")] = ""
    is_public: Annotated[bool, Meta(description="Whether the incident may be shown in public. Default: false.")] = False
    started_at: Annotated[Zoned | None, Meta(description="When the incident started. Default: now.")] = None


class IncidentPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to an incident. Absent fields stay."""

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
    started_at: Annotated[datetime, Meta(description="Start of the incident; for an outage, its first failing check.")]
    detected_at: Annotated[datetime, Meta(description="When the monitor was set to down, after its retries.")]
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None
    duration: Annotated[float | None, Meta(description="Seconds from start to end; null while it lasts.")]
    escalation_id: Uuid | None
    next_escalation_at: Annotated[
        datetime | None,
        Meta(
            description="When the next escalation step runs, unless the incident is acknowledged before. null: never."
        ),
    ]
    post_mortem: str
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]
    created_at: datetime
    updated_at: datetime


class IncidentDetail(Incident, frozen=True, kw_only=True):
    """An incident with its timeline, oldest first."""

    timeline: list[TimelineEntry]


class IncidentMetrics(Struct, frozen=True, kw_only=True):
    """Incident metrics. Times in seconds; null when there are no incidents to count."""

    count: int
    open: Annotated[int, Meta(description="Incidents that are not resolved.")]
    acknowledged: Annotated[int, Meta(description="Incidents that were acknowledged: the basis of `mtta`.")]
    resolved: Annotated[int, Meta(description="Incidents that were resolved: the basis of `mttr`.")]
    mtta: Annotated[float | None, Meta(description="Mean time from detection to acknowledgement, in seconds.")]
    mtta_median: float | None
    mttr: Annotated[float | None, Meta(description="Mean time from start to end, in seconds.")]
    mttr_median: float | None
    longest: Annotated[
        float | None, Meta(description="Longest incident, in seconds; an open incident counts up to now.")
    ]
