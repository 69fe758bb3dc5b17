"""Secrets do not appear in the reasons of delivery errors."""

import base64
from urllib.parse import quote

import pytest

from actors.senders.kit.redaction import REASON_LIMIT, redact_reason
from schema.channels import ChannelConfig
from schema.field_types import MASK
from tests.actors.senders import sample_messages
from tests.actors.senders.sample_messages import channel

URL = "https://chat.example"
WEBHOOK = channel("webhook", URL, headers={"Authorization": "Bearer s3cr3t/header+value"})
NTFY = channel("ntfy", URL, token="", username="joe", password="s3cr3t pass/word")


@pytest.mark.parametrize(
    ("config", "secret"),
    [
        (channel("telegram", URL), sample_messages.TOKEN),
        (channel("telegram", URL), quote(sample_messages.TOKEN, safe="")),
        (channel("slack", URL), URL + sample_messages.SLACK_PATH),
        (channel("slack", URL), sample_messages.SLACK_PATH),
        (channel("slack", URL), "s3cr3tS3cr3t"),
        (channel("discord", URL), "d1sc0rd-s3cr3t-token"),
        (WEBHOOK, "s3cr3t-signing-key"),
        (WEBHOOK, "s3cr3t-query"),
        (WEBHOOK, "Bearer s3cr3t/header+value"),
        (NTFY, "s3cr3t pass/word"),
        (NTFY, quote("s3cr3t pass/word", safe="")),
        (NTFY, base64.b64encode(b"joe:s3cr3t pass/word").decode()),
        (channel("ntfy", URL), "tk_s3cr3t-access"),
        (channel("ntfy", URL, topic="t0p-s3cr3t-topic"), "t0p-s3cr3t-topic"),
        (sample_messages.smtp(25, password="s3cr3t"), base64.b64encode(b"s3cr3t").decode()),
    ],
)
def test_a_secret_that_comes_back_is_masked_in_every_form(config: ChannelConfig, secret: str) -> None:
    assert redact_reason(f"answered 401: no such key {secret} here", config) == f"answered 401: no such key {MASK} here"


def test_a_reason_without_secrets_stays_as_it_is() -> None:
    assert redact_reason("answered 404 Not Found", channel("slack", URL)) == "answered 404 Not Found"


def test_a_reason_is_one_line_that_can_be_stored_anywhere() -> None:
    reason = redact_reason("550 no\r\nsuch\x00 user \udcff" + "x" * 1_000, sample_messages.smtp(25))
    assert reason.startswith("550 no such user ?xxx")
    assert len(reason) == REASON_LIMIT
