"""E-mail through SendGrid."""

import json

import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import sendgrid
from schema.channels import Sendgrid
from tests.actors.senders import alarm_channels, sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Order, Receiver

TITLE = "Shop <b>&</b> *bar* is down"
TEXT = "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
ACK = "https://watch.example/a/1?t=2&u=3"


async def test_a_message_is_accepted(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(status=202, body=""))
    await send(channel("sendgrid", receiver.url), sample_messages.message(incident_id="3b1f", ack_url=ACK), context)
    (arrival,) = receiver.arrivals
    body = json.loads(arrival.body)
    html = body["content"][1].pop("value")
    assert (arrival.method, arrival.path) == ("POST", "/v3/mail/send")
    assert arrival.headers["Authorization"] == f"Bearer {alarm_channels.SENDGRID_KEY}"
    assert body == {
        "personalizations": [{"to": [{"email": "ops@home.example"}]}],
        "from": {"email": "watch@home.example"},
        "subject": TITLE,
        "content": [
            {"type": "text/plain", "value": f"{TITLE}\n\n{TEXT}\n\nAcknowledge: {ACK}\n"},
            {"type": "text/html"},
        ],
        "headers": {
            "Message-ID": f"<{sample_messages.message().delivery_id}@home.example>",
            "Auto-Submitted": "auto-generated",
            "In-Reply-To": "<incident.3b1f@home.example>",
            "References": "<incident.3b1f@home.example>",
        },
        "custom_args": {"delivery_id": sample_messages.message().delivery_id, "event": "monitor.down"},
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }
    assert "<b>" not in html
    assert '<a href="https://watch.example/a/1?t=2&amp;u=3">Acknowledge</a>' in html


async def test_recipients_are_deduplicated(receiver: Receiver, context: SenderContext) -> None:
    config = channel(
        "sendgrid", receiver.url, to=["a@x.example", "A@x.example"], cc=["a@x.example"], bcc=["b@x.example"]
    )
    await send(config, sample_messages.message(), context)
    assert json.loads(receiver.arrivals[0].body)["personalizations"] == [
        {"to": [{"email": "a@x.example"}], "bcc": [{"email": "b@x.example"}]}
    ]


async def test_mail_domains_in_other_scripts_are_sent_in_ascii(receiver: Receiver, context: SenderContext) -> None:
    config = channel(
        "sendgrid", receiver.url, sender="wk@bücher.example", to=["info@müller.example", "info@MÜLLER.example"]
    )
    await send(config, sample_messages.message(), context)
    body = json.loads(receiver.arrivals[0].body)
    assert body["from"] == {"email": "wk@xn--bcher-kva.example"}
    assert body["personalizations"] == [{"to": [{"email": "info@xn--mller-kva.example"}]}]


@pytest.mark.parametrize(
    ("status", "body", "reason", "permanent"),
    [
        (
            403,
            '{"errors":[{"message":"The from address does not match","field":"from","help":null},{"message":"and"}]}',
            "answered 403 Forbidden: The from address does not match; and",
            True,
        ),
        (401, '{"errors":["no such key",7]}', "answered 401 Unauthorized: no such key", True),
        (401, '{"errors":"what"}', "answered 401 Unauthorized", True),
        (413, "<html>", "answered 413 Request Entity Too Large", True),
        (
            429,
            '{"errors":[{"message":"too many requests"}]}',
            "answered 429 Too Many Requests: too many requests",
            False,
        ),
        (503, "", "answered 503 Service Unavailable", False),
    ],
)
async def test_the_provider_s_errors_are_the_reason(
    status: int, body: str, reason: str, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=status, body=body))
    with pytest.raises(DeliveryError) as failed:
        await send(channel("sendgrid", receiver.url), sample_messages.message(), context)
    assert (failed.value.reason, failed.value.permanent) == (reason, permanent)


def test_names_replies_and_headers_of_ones_own() -> None:
    config = Sendgrid(
        api_key="k",
        sender="Wächter <watch@home.example>",
        to=['"Doe, Jane" <Jane@home.example>', "jane@home.example"],
        bcc=["Boss <boss@home.example>"],
        reply_to="Help <help@home.example>",
        headers={"X-Team": "Löschzug"},
    )
    body = json.loads(sendgrid.render(config, sample_messages.message()).body)
    assert body["from"] == {"email": "watch@home.example", "name": "Wächter"}
    assert body["reply_to"] == {"email": "help@home.example", "name": "Help"}
    assert body["personalizations"] == [
        {
            "to": [{"email": "Jane@home.example", "name": "Doe, Jane"}],
            "bcc": [{"email": "boss@home.example", "name": "Boss"}],
        }
    ]
    assert body["headers"]["X-Team"] == "=?utf-8?b?TMO2c2NoenVn?="
    assert body["headers"]["Message-ID"].endswith("@home.example>")
