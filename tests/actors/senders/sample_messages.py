"""Messages and channels for the senders' tests: usual ones, changed by keywords."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from schema.channels import ChannelConfig, Discord, Ntfy, Slack, Smtp, Telegram, Webhook
from schema.events import EventKind
from schema.message import Message, MessageMonitor as MessageMonitor
from schema.status import Status
from tests.actors.senders import alarm_channels
from tests.actors.senders.chats import CHATS, chats

AT = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SHOP = MessageMonitor(id="6d1c", name="Shop <b>&</b> *bar*", type="http")
NASTY = "x\r\nBcc: thief@evil.example\r\n\r\n<script>alert(1)</script> <!channel> @everyone [a](http://evil.example) &"
TOKEN = "123456:AAF-very_secret-token"
SLACK_PATH = "/services/T0SECRET1/B0SECRET2/s3cr3tS3cr3t"
DISCORD_PATH = "/api/webhooks/4242424242/d1sc0rd-s3cr3t-token"


def message(**changes: Any) -> Message:
    usual = Message(
        delivery_id="0d1f2a3b-0000-4000-8000-000000000001",
        event=EventKind.MONITOR_DOWN,
        at=AT,
        monitor=SHOP,
        status=Status.DOWN,
        msg="503 Service Unavailable",
        started_at=AT,
    )
    return msgspec.structs.replace(usual, **changes)


def channel(provider: str, url: str, **changes: Any) -> Any:
    """A channel of that provider whose server is at `url`."""
    configs: dict[str, ChannelConfig] = {
        "webhook": Webhook(
            url=f"{url}/hook?key=s3cr3t-query", secret="s3cr3t-signing-key", previous_secret="s3cr3t-before"
        ),
        "slack": Slack(webhook_url=f"{url}{SLACK_PATH}"),
        "discord": Discord(webhook_url=f"{url}{DISCORD_PATH}"),
        "telegram": Telegram(bot_token=TOKEN, chat_id="-100123", server_url=url),
        "ntfy": Ntfy(server_url=url, topic="alerts", token="tk_s3cr3t-access"),
        "smtp": smtp(0),
        **chats(url),
        **alarm_channels.channels_at(url),
    }
    return msgspec.structs.replace(configs[provider], **changes)


def smtp(port: int, **changes: Any) -> Smtp:
    usual = Smtp(host="127.0.0.1", port=port, security="none", sender="watch@home.example", to=["ops@home.example"])
    return msgspec.structs.replace(usual, **changes)


HTTP_PROVIDERS = (
    *("webhook", "slack", "discord", "telegram", "ntfy"),
    *CHATS,
    *alarm_channels.channels_at(""),
)
