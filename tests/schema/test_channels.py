"""What a channel's configuration may hold."""

from typing import Any

import msgspec
import pytest

from schema.channels import DRAFTS, PROVIDERS, ChannelConfig

MAIL = {"type": "smtp", "host": "mail.example", "sender": "a@b.example", "to": ["c@d.example"]}
TEXTING = {"type": "twilio", "account_sid": "AC" + "0" * 32, "auth_token": "a", "sender": "Watch", "to": "+15005550010"}
PUSHING = {
    "type": "webpush",
    "endpoint_url": "https://push.example/a",
    "p256dh": "B" + "A" * 86,
    "auth": "A" * 22,
    "private_key": "A" * 43,
    "contact": "a@b.example",
}
PAGING = [
    {"type": "pagerduty", "routing_key": "a"},
    {"type": "opsgenie", "api_key": "a", "region": "eu", "server_url": None},
    {"type": "grafana_oncall", "webhook_url": "https://oncall.example/integrations/v1/formatted_webhook/a/"},
    {"type": "pagertree", "webhook_url": "********"},
    {"type": "sendgrid", "api_key": "SG.a", "sender": "a@b.example", "to": ["c@d.example"]},
    TEXTING,
    TEXTING | {"api_key_sid": "SK" + "1" * 32, "sender": "MG" + "a" * 32},
    PUSHING,
    PUSHING | {"auth": "********", "private_key": "********"},
]


@pytest.mark.parametrize(
    "config",
    [
        MAIL,
        MAIL | {"security": "tls", "port": 465, "cc": ["müller@bücher.example"]},
        {"type": "webhook", "url": "https://a.example/hook", "headers": {"X-Key": "1"}},
        {"type": "slack", "webhook_url": "https://hooks.example/services/a"},
        {"type": "discord", "webhook_url": "********"},
        {"type": "telegram", "bot_token": "1:a", "chat_id": "@channel"},
        {"type": "ntfy", "topic": "alerts"},
        {"type": "gotify", "server_url": "https://push.home.example/gotify", "app_token": "A.b-c"},
        {"type": "pushover", "user_key": "u", "app_token": "a", "device": "phone,tablet", "priority": -2},
        {
            "type": "matrix",
            "server_url": "https://m.example",
            "room_id": "!Abc-1_x:m.example:8448",
            "access_token": "s",
        },
        {"type": "matrix", "server_url": "https://m.example", "room_id": "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"}
        | {"access_token": "********"},
        {"type": "mattermost", "webhook_url": "https://m.example/hooks/x", "icon_emoji": "+1"},
        {"type": "teams", "webhook_url": "https://prod-1.example:443/workflows/a?sig=b"},
        {"type": "google_chat", "webhook_url": "https://chat.example/v1/spaces/A/messages?key=k&token=t%3D"},
        {
            "type": "signal",
            "server_url": "http://signal:8080",
            "number": "+491520000000",
            "recipients": ["group.b3Bz="],
        },
        {"type": "wecom", "webhook_url": "https://qyapi.example/cgi-bin/webhook/send?key=693a91f6"},
        {"type": "whatsapp", "server_url": "http://waha:3000", "chat_id": "12025550123-1612345678@g.us"},
        {"type": "line", "channel_access_token": "a/b+c=", "to": f"C{'0' * 32}"},
        {"type": "pushbullet", "access_token": "o.abc", "channel_tag": "ops-1"},
        *PAGING,
    ],
)
def test_configs_documented_by_providers_are_accepted(config: dict[str, Any]) -> None:
    assert type(msgspec.convert(config, ChannelConfig)) is PROVIDERS[config["type"]]


@pytest.mark.parametrize(
    "config",
    [
        {"type": "pigeon"},
        MAIL | {"to": []},
        MAIL | {"to": ["nobody"]},
        MAIL | {"to": ["a@b.example\n"]},
        MAIL | {"sender": "a@b.example\r\nBcc: c@d.example"},
        MAIL | {"security": "maybe"},
        MAIL | {"port": 0},
        MAIL | {"colour": "red"},
        {"type": "webhook", "url": "ftp://a.example"},
        {"type": "webhook", "url": "https://user:password@a.example"},
        {"type": "webhook", "url": "https://a.example", "headers": {"X-A\r\nX-B": "1"}},
        {"type": "webhook", "url": "https://a.example", "headers": {"": "1"}},
        {"type": "slack", "webhook_url": "hooks.example"},
        {"type": "telegram", "bot_token": "1:a", "chat_id": ""},
        {"type": "ntfy", "topic": "a/b"},
        {"type": "ntfy", "topic": "a", "priority": 6},
        {"type": "gotify", "server_url": "https://g.example", "app_token": ""},
        {"type": "gotify", "server_url": "https://g.example", "app_token": "a\r\nX: y"},
        {"type": "gotify", "server_url": "https://g.example", "app_token": "a", "priority": 11},
        {"type": "pushover", "user_key": "u", "app_token": "a", "retry": 29},
        {"type": "pushover", "user_key": "u", "app_token": "a", "expire": 10_801},
        {"type": "matrix", "server_url": "https://m.example", "room_id": "#ops:m.example", "access_token": "s"},
        {"type": "mattermost", "webhook_url": "https://m.example/hooks/x", "icon_emoji": ":bell:"},
        {"type": "teams", "webhook_url": "teams.example"},
        {"type": "signal", "server_url": "http://s.example", "number": "0152", "recipients": ["+1"]},
        {"type": "signal", "server_url": "http://s.example", "number": "+491520000000", "recipients": []},
        {"type": "whatsapp", "server_url": "http://w.example", "chat_id": "+1 202 555 0123"},
        {"type": "line", "channel_access_token": "a", "to": "@name"},
        {"type": "pushbullet", "access_token": "a b"},
        {"type": "pagerduty", "routing_key": "a", "severity": "awful"},
        {"type": "pagerduty", "routing_key": "a", "on_recovery": "celebrate"},
        {"type": "opsgenie", "api_key": "a", "region": "mars"},
        {"type": "opsgenie", "api_key": "a", "priority": "P0"},
        {"type": "grafana_oncall", "webhook_url": "oncall.example"},
        TEXTING | {"account_sid": "AC1"},
        TEXTING | {"to": "555-0010"},
        TEXTING | {"to": "+15005550010\n"},
        TEXTING | {"sender": "a name that is too long"},
        PUSHING | {"p256dh": "BOle"},
        PUSHING | {"auth": "short"},
        PUSHING | {"private_key": "short"},
        PUSHING | {"ttl": -1},
    ],
)
def test_invalid_channel_configs_are_rejected(config: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config, ChannelConfig)


def test_every_provider_has_a_draft_of_its_own() -> None:
    assert list(DRAFTS) == list(PROVIDERS)
