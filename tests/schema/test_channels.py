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
        *PAGING,
    ],
)
def test_what_providers_document_is_taken(config: dict[str, Any]) -> None:
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
def test_what_can_not_work_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config, ChannelConfig)


def test_every_provider_has_a_draft_of_its_own() -> None:
    assert list(DRAFTS) == list(PROVIDERS)
