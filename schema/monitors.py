"""Monitors: what is monitored, how often, and who is notified."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from schema import draft_unions
from schema.escalations import EscalationId
from schema.field_types import Cron, Interval, Name, Text, Timeout, Timezone, Uuid
from schema.proxies import ProxyConfig
from schema.status import Status
from schema.tags import TagIds, TagLabel
from schema.targets import TARGETS, Target

MonitorType = Annotated[str, Meta(extra_json_schema={"enum": list(TARGETS)})]
Retries = Annotated[int, Meta(ge=0, le=1_000, description="Failing checks before the monitor is down. Default: 0.")]
RetryInterval = Annotated[Interval, Meta(description="Seconds between checks during retries. null: the interval.")]
ResendInterval = Annotated[
    int,
    Meta(
        ge=0,
        le=10_000,
        description="Send a reminder every n failing checks while the monitor is down. 0 (default): never.",
    ),
]
ChannelIds = Annotated[list[str], Meta(max_length=100, description="Ids of the notification channels to notify.")]
ParentIds = Annotated[
    list[Annotated[str, Meta(max_length=36)]],
    Meta(
        max_length=100,
        description="Ids of parent monitors. While a parent is down, alerts for this monitor are suppressed.",
    ),
]
OptionalInterval = Annotated[
    Interval | UnsetType | None,
    Meta(description="Seconds between checks. Default: 60, or null with `cron`. null without `cron`: on demand only."),
]


class MonitorDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new monitor. `type` chooses the fields of `config`."""

    name: Name
    config: Target
    description: Text = ""
    active: bool = True
    interval: OptionalInterval = UNSET
    cron: Cron | None = None
    timezone: Timezone = "UTC"
    timeout: Annotated[
        Timeout | None,
        Meta(description="Time limit of one check, in seconds. Default: 16, or 0.8 of a shorter interval."),
    ] = None
    max_retries: Retries = 0
    retry_interval: RetryInterval | None = None
    resend_interval: ResendInterval = 0
    upside_down: Annotated[
        bool,
        Meta(
            description="Invert the result: a passing check is a failure, and a failing check passes. Default: false."
        ),
    ] = False
    notification_channel_ids: Annotated[
        ChannelIds | None, Meta(description="Ids of the channels to notify. Default: the default channels.")
    ] = None
    tag_ids: TagIds = []
    parent_ids: ParentIds = []
    escalation_id: EscalationId = None


class MonitorPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a monitor. Absent fields stay; `config` is replaced as a whole."""

    name: Name | UnsetType = UNSET
    type: Annotated[
        MonitorType | UnsetType, Meta(description="The type can't be changed; the same type is accepted.")
    ] = UNSET
    config: Annotated[
        dict[str, Any] | UnsetType, Meta(description="The whole config, as for a new monitor of this type.")
    ] = UNSET
    description: Text | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    interval: Annotated[
        Interval | UnsetType | None, Meta(description="Seconds between checks. null: by `cron`, or on demand only.")
    ] = UNSET
    cron: Cron | UnsetType | None = UNSET
    timezone: Timezone | UnsetType = UNSET
    timeout: Timeout | UnsetType = UNSET
    max_retries: Retries | UnsetType = UNSET
    retry_interval: RetryInterval | UnsetType | None = UNSET
    resend_interval: ResendInterval | UnsetType = UNSET
    upside_down: bool | UnsetType = UNSET
    notification_channel_ids: ChannelIds | UnsetType = UNSET
    tag_ids: TagIds | UnsetType = UNSET
    parent_ids: ParentIds | UnsetType = UNSET
    escalation_id: EscalationId | UnsetType = UNSET


class MonitorCloneRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a copy differs from its original."""

    name: Annotated[
        Name | None, Meta(description='Name of the copy. Default: the name of the original, followed by " (copy)".')
    ] = None


class Monitor(Struct, frozen=True, kw_only=True):
    """A monitor as returned, with secrets masked and its current status."""

    id: Uuid
    name: str
    type: MonitorType
    config: Target
    description: str
    active: bool
    interval: Annotated[
        int | None, Meta(description="Seconds between checks. null: by `cron`, or on demand only without it.")
    ]
    cron: str | None
    timezone: str
    timeout: float
    max_retries: int
    retry_interval: int | None
    resend_interval: int
    upside_down: bool
    notification_channel_ids: list[Uuid]
    tags: Annotated[list[TagLabel], Meta(description="Tags of the monitor, by name.")]
    parent_ids: Annotated[list[Uuid], Meta(description="Ids of parent monitors.")]
    escalation_id: Uuid | None
    status: Annotated[Status, Meta(description="Status of the newest heartbeat; 5 (unknown) before the first.")]
    status_since: datetime | None
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]
    created_at: datetime
    updated_at: datetime


class PushAddress(Struct, frozen=True, kw_only=True):
    """The address that a push monitor is reported to. Anyone who knows it can report."""

    id: Uuid
    token: str
    path: Annotated[str, Meta(description="Path on this server.", examples=["/api/v1/push/TOKEN"])]


class UnreadableTarget(Struct, frozen=True):
    """A target that this process can't decrypt or decode: encrypted with another key, or of another version."""

    type: str


class Snapshot(Struct, frozen=True):
    """All a worker needs to check and evaluate a monitor, at one version. Secrets are decrypted: never publish it."""

    series: int
    version: int
    monitor_id: str
    name: str
    target: Target | UnreadableTarget
    interval_ms: int
    timeout_ms: int
    retry_ms: int
    max_retries: int
    resend_interval: int
    upside_down: bool
    created_ms: int = 0  # since when this definition applies: created, changed or resumed then

    cron: str = ""  # schedule instead of the interval
    proxy: ProxyConfig | None = None  # the proxy its checks use

    timezone: str = "UTC"


DRAFTS = draft_unions.drafts_by_type(MonitorDraft, "Monitor", TARGETS)
