"""Text messages through Twilio."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from tests.actors.senders import alarm_channels, sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Order, Receiver

TEXT = (
    "Shop <b>&</b> *bar* is down\nDown since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
)


async def form(receiver: Receiver, context: SenderContext, message: Any = None, **changes: Any) -> dict[str, str]:
    await send(channel("twilio", receiver.url, **changes), message or sample_messages.message(), context)
    return {name: values[0] for name, values in parse_qs(receiver.arrivals[-1].body.decode()).items()}


async def test_a_message_is_created_with_the_account(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(status=201, body='{"sid":"SM1","status":"queued","error_code":null}'))
    assert await form(receiver, context) == {"To": "+15005550010", "From": "+15005550006", "Body": TEXT}
    (arrival,) = receiver.arrivals
    assert arrival.path == f"/2010-04-01/Accounts/{alarm_channels.ACCOUNT}/Messages.json"
    assert arrival.headers["Content-Type"] == "application/x-www-form-urlencoded"
    pair = base64.b64encode(f"{alarm_channels.ACCOUNT}:{alarm_channels.AUTH_TOKEN}".encode()).decode()
    assert arrival.headers["Authorization"] == f"Basic {pair}"


async def test_an_api_key_signs_in_for_its_account(receiver: Receiver, context: SenderContext) -> None:
    await form(receiver, context, api_key_sid=alarm_channels.KEY_SID)
    pair = base64.b64encode(f"{alarm_channels.KEY_SID}:{alarm_channels.AUTH_TOKEN}".encode()).decode()
    assert receiver.arrivals[0].headers["Authorization"] == f"Basic {pair}"
    assert alarm_channels.ACCOUNT in receiver.arrivals[0].path


@pytest.mark.parametrize(
    ("sender", "field"), [("MG" + "a" * 32, "MessagingServiceSid"), ("MGM Grand", "From"), ("+15005550006", "From")]
)
async def test_the_sender_is_a_number_a_name_or_a_service(
    sender: str, field: str, receiver: Receiver, context: SenderContext
) -> None:
    assert (await form(receiver, context, sender=sender))[field] == sender


async def test_the_longest_message_is_truncated_before_its_link(receiver: Receiver, context: SenderContext) -> None:
    long = sample_messages.message(text="ü" * 9_999, ack_url="https://watch.example/a/1")
    body = (await form(receiver, context, long))["Body"]
    assert len(body) == 1_600
    assert body.endswith("ü…\nAcknowledge: https://watch.example/a/1")


@pytest.mark.parametrize(
    ("status", "answer", "reason", "permanent"),
    [
        (400, {"code": 21211, "message": "Invalid 'To'"}, "answered 400 Bad Request: error 21211: Invalid 'To'", True),
        (400, {"code": 21610, "message": "unsubscribed"}, "answered 400 Bad Request: error 21610: unsubscribed", True),
        (401, {"code": 20003, "message": "Authenticate"}, "answered 401 Unauthorized: error 20003: Authenticate", True),
        (
            400,
            {"code": 21611, "message": "queue is full"},
            "answered 400 Bad Request: error 21611: queue is full",
            False,
        ),
        (429, {"message": "too many"}, "answered 429 Too Many Requests: too many", False),
        (503, {}, "answered 503 Service Unavailable", False),
        (
            201,
            {"status": "failed", "error_code": 30007, "error_message": "filtered"},
            "answered 201 Created: error 30007: filtered",
            True,
        ),
        (
            201,
            {"status": "failed", "error_code": 30001, "error_message": None},
            "answered 201 Created: error 30001",
            False,
        ),
    ],
)
async def test_the_code_decides_on_retries(
    status: int, answer: dict[str, Any], reason: str, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=status, body=json.dumps(answer)))
    with pytest.raises(DeliveryError) as failed:
        await send(channel("twilio", receiver.url), sample_messages.message(), context)
    assert (failed.value.reason, failed.value.permanent) == (reason, permanent)
