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
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()


class LinkRow(Table, tablename="links"):
    """Monitor and channel."""

    monitor_id = Text()
    channel_id = Text(index=True)
