"""Tables of notification channels, and of their links to monitors and tags."""

from piccolo.columns import BigInt, Boolean, Integer, Text
from piccolo.table import Table


class ChannelRow(Table, tablename="channels"):
    """A notification channel or a webhook. `config` is JSON with encrypted secrets."""

    id = Text(primary_key=True)
    name = Text()
    type = Text()
    config = Text()
    active = Boolean(default=True)
    is_default = Boolean(default=False)
    kind = Text(default="channel")  # or webhook, which lists of channels leave out
    is_temporary = Boolean(default=False)  # of a test before the channel is stored, or deleted; no list shows it
    all_monitors = Boolean(default=False)
    rules = Text(default="{}")  # JSON of `ChannelRules`
    temporary_failures = Integer(default=0)  # temporary failures in a row
    circuit_open_until_ms = BigInt(default=0)  # open circuit: nothing is sent before
    permanent_failures = Integer(default=0)  # rejections by the channel itself, without a success in between
    rejected_messages = Integer(default=0)  # other rejected messages, without a success in between
    disabled_ms = BigInt(null=True, default=None)  # disabled since: nothing is sent after repeated permanent failures
    disabled_reason = Text(default="")
    alerted_ms = BigInt(null=True, default=None)  # when others were alerted that it fails; null: it has worked since
    rotated_ms = BigInt(null=True, default=None)  # of a webhook: when its secret was rotated
    proxy_id = Text(null=True, default=None, index=True)  # that of the config, so that it can't be deleted
    last_error = Text(default="")  # the error of the newest attempt
    failing_since_ms = BigInt(null=True, default=None)  # since when every attempt has failed
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()
    deleted_ms = BigInt(null=True, default=None)  # when it was deleted; its deliveries read name and type here


class MonitorChannelRow(Table, tablename="monitor_channels"):
    """A monitor notifies a channel."""

    monitor_id = Text(primary_key=True)
    channel_id = Text(primary_key=True, index=True)


class ChannelTagRow(Table, tablename="channel_tags"):
    """Monitors with this tag notify the channel."""

    channel_id = Text(primary_key=True)
    tag_id = Text(primary_key=True, index=True)
