"""Notification channels. A new provider is a file here and a file in `actors/senders/providers/`."""

from datetime import datetime
from typing import Annotated, Any, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, field

from schema import draft_unions
from schema.channels.apprise import Apprise
from schema.channels.discord import Discord
from schema.channels.google_chat import GoogleChat
from schema.channels.gotify import Gotify
from schema.channels.grafana_oncall import GrafanaOncall
from schema.channels.health import ChannelHealth
from schema.channels.line import Line
from schema.channels.matrix import Matrix
from schema.channels.mattermost import Mattermost
from schema.channels.ntfy import Ntfy
from schema.channels.opsgenie import Opsgenie
from schema.channels.pagerduty import Pagerduty
from schema.channels.pagertree import Pagertree
from schema.channels.pushbullet import Pushbullet
from schema.channels.pushover import Pushover
from schema.channels.rules import (
    EventPatterns,
    Grouping,
    QuietHours,
    Templates,
    TemplateWarning,
    default_events,
)
from schema.channels.sendgrid import Sendgrid
from schema.channels.signal import Signal
from schema.channels.slack import Slack
from schema.channels.smtp import Smtp
from schema.channels.teams import Teams
from schema.channels.telegram import Telegram
from schema.channels.twilio import Twilio
from schema.channels.webhook import Webhook
from schema.channels.webpush import Webpush
from schema.channels.wecom import Wecom
from schema.channels.whatsapp import Whatsapp
from schema.field_types import Name, Timezone, Uuid
from schema.tags import TagId

__all__ = [
    "DRAFTS",
    "PROVIDERS",
    "Apprise",
    "Channel",
    "ChannelConfig",
    "ChannelDraft",
    "ChannelPatch",
    "Discord",
    "GoogleChat",
    "Gotify",
    "GrafanaOncall",
    "Line",
    "Matrix",
    "Mattermost",
    "Ntfy",
    "Opsgenie",
    "Pagerduty",
    "Pagertree",
    "Pushbullet",
    "Pushover",
    "Sendgrid",
    "Signal",
    "Slack",
    "Smtp",
    "Teams",
    "Telegram",
    "Twilio",
    "Webhook",
    "Webpush",
    "Wecom",
    "Whatsapp",
]

ChannelConfig = (
    Webhook
    | Smtp
    | Slack
    | Discord
    | Telegram
    | Ntfy
    | Gotify
    | Pushover
    | Matrix
    | Mattermost
    | Teams
    | GoogleChat
    | Signal
    | Wecom
    | Whatsapp
    | Line
    | Pushbullet
    | GrafanaOncall
    | Opsgenie
    | Pagerduty
    | Pagertree
    | Sendgrid
    | Twilio
    | Webpush
    | Apprise
)  # fmt: skip
PROVIDERS: dict[str, type[ChannelConfig]] = {str(one.__struct_config__.tag): one for one in get_args(ChannelConfig)}

ChannelType = Annotated[str, Meta(extra_json_schema={"enum": list(PROVIDERS)})]
TagIds = Annotated[
    list[TagId],
    Meta(max_length=100, description="Ids of tags. Monitors with one of these tags also notify this channel."),
]
Events = Annotated[EventPatterns, Meta(description="Events that this channel receives: names or patterns.")]
MinOutage = Annotated[
    int,
    Meta(
        ge=0,
        le=86_400,
        description="Seconds an outage must last before the channel is alerted; shorter outages are not sent.",
    ),
]


MessageTimezone = Annotated[
    Timezone | None,
    Meta(description="Time zone of the times in messages, such as Europe/Berlin. null: the server's (`TZ`)."),
]


class ChannelDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new channel. `type` chooses the fields of `config`."""

    name: Name
    config: ChannelConfig
    active: Annotated[bool, Meta(description="Whether messages are sent. Default: true.")] = True
    is_default: Annotated[bool, Meta(description="Whether new monitors use this channel by default.")] = False
    all_monitors: Annotated[bool, Meta(description="Whether every monitor notifies this channel, linked or not.")] = (
        False
    )
    tag_ids: TagIds = []
    events: Events = field(default_factory=default_events)
    quiet_hours: QuietHours | None = None
    min_outage: MinOutage = 0
    grouping: Annotated[Grouping | None, Meta(description="null: the default of the type.")] = None
    templates: Templates = Templates()
    timezone: MessageTimezone = None


class ChannelPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a channel. Absent fields stay; `config` is replaced as a whole."""

    name: Name | UnsetType = UNSET
    type: Annotated[
        ChannelType | UnsetType, Meta(description="The type can't be changed; the same type is accepted.")
    ] = UNSET
    config: Annotated[
        dict[str, Any] | UnsetType, Meta(description="The whole config, as for a new channel of this type.")
    ] = UNSET
    active: bool | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    all_monitors: bool | UnsetType = UNSET
    tag_ids: TagIds | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    quiet_hours: QuietHours | UnsetType | None = UNSET
    min_outage: MinOutage | UnsetType = UNSET
    grouping: Grouping | UnsetType | None = UNSET
    templates: Templates | UnsetType = UNSET
    timezone: MessageTimezone | UnsetType = UNSET


class Channel(Struct, frozen=True, kw_only=True):
    """A channel as returned, with secrets masked."""

    id: Uuid
    name: str
    type: ChannelType
    config: ChannelConfig
    active: bool
    is_default: bool
    all_monitors: bool
    tag_ids: list[Uuid]
    events: list[str]
    quiet_hours: QuietHours | None
    min_outage: int
    grouping: Grouping | None
    templates: Templates
    timezone: str | None
    template_warnings: Annotated[
        list[TemplateWarning] | UnsetType,
        Meta(description="Events of `events` that the templates do not fit. Only in the reply to a change."),
    ] = UNSET
    health: ChannelHealth
    version: int
    created_at: datetime
    updated_at: datetime


DRAFTS = draft_unions.drafts_by_type(ChannelDraft, "Channel", PROVIDERS)
