"""Rows of notification channels and which monitors they are linked to."""

from piccolo.columns import BigInt, Boolean, Integer, Text
from piccolo.table import Table


class ChannelRow(Table, tablename="channels"):
    """How people are told. `config` is JSON with its secrets sealed."""

    id = Text(primary_key=True)
    name = Text()
    type = Text()
    config = Text()
    active = Boolean(default=True)
    is_default = Boolean(default=False)
    kind = Text(default="channel")  # or webhook: a program's subscription, which no list of channels shows
    all_monitors = Boolean(default=False)
    terms = Text(default="{}")  # JSON of `Terms`
    failures = Integer(default=0)  # temporary failures in a row
    rests_until_ms = BigInt(default=0)  # the breaker: nothing is sent before
    refusals = Integer(default=0)  # permanent failures in a row
    paused_ms = BigInt(null=True, default=None)  # since when nothing is sent, because it was refused for good
    paused_reason = Text(default="")
    rotated_ms = BigInt(null=True, default=None)  # of a webhook: since when its secret is a new one
    trouble = Text(default="")  # why the newest try failed
    trouble_ms = BigInt(null=True, default=None)  # since when every try failed
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class MonitorChannelRow(Table, tablename="links"):
    """Monitor and channel."""

    monitor_id = Text()
    channel_id = Text(index=True)


class ChannelTagRow(Table, tablename="channel_tags"):
    """Monitors that bear the tag tell the channel."""

    channel_id = Text()
    tag_id = Text(index=True)
