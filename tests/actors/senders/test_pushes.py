"""Exact requests to Gotify, Pushover, Pushbullet, LINE, Signal and WhatsApp, and what their responses mean."""

import json
from typing import Any

import msgspec
import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import gotify, pushbullet, pushover, whatsapp
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import chats, sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Arrival, Order, Receiver

TITLE = "Shop <b>&</b> *bar* is down"
TEXT = "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
ACK = "https://watch.example/ack/eyJpZCI6MX0.c2lnbmVk"
UP = sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP)
DELIVERY = sample_messages.message().delivery_id


async def arrived(
    provider: str, receiver: Receiver, context: SenderContext, message: Message, **changes: Any
) -> tuple[Arrival, Any]:
    await send(channel(provider, receiver.url, **changes), message, context)
    (arrival,) = receiver.arrivals
    assert arrival.method == "POST"
    assert arrival.headers["Content-Type"] == "application/json"
    return arrival, json.loads(arrival.body)


async def refused(provider: str, receiver: Receiver, context: SenderContext, order: Order) -> DeliveryError:
    receiver.answer(order)
    with pytest.raises(DeliveryError) as failed:
        await send(channel(provider, receiver.url), sample_messages.message(), context)
    return failed.value


async def test_gotify_gets_a_plain_message(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived("gotify", receiver, context, sample_messages.message())
    assert (arrival.path, arrival.headers["X-Gotify-Key"]) == ("/message", "s3cr3t-gotify-token")
    assert body == {
        "title": TITLE,
        "message": TEXT,
        "priority": 8,
        "extras": {"client::display": {"contentType": "text/plain"}},
    }


def test_a_tap_on_gotify_s_message_acknowledges() -> None:
    body = json.loads(gotify.render(channel("gotify", "https://g.example/"), sample_messages.message(ack_url=ACK)).body)
    assert body["extras"]["client::notification"] == {"click": {"url": ACK}}


async def test_gotify_s_reason_is_the_error(receiver: Receiver, context: SenderContext) -> None:
    body = '{"error":"Unauthorized","errorCode":401,"errorDescription":"you need to provide a valid token"}'
    failed = await refused("gotify", receiver, context, Order(status=401, body=body))
    assert failed.reason == "answered 401 Unauthorized: you need to provide a valid token"
    assert failed.permanent


async def test_pushover_gets_a_message_with_the_event_s_time(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived(
        "pushover", receiver, context, sample_messages.message(), device="phone", sound="siren"
    )
    assert arrival.path == "/1/messages.json"
    assert body == {
        "token": "s3cr3t-pushover-app",
        "user": "s3cr3t-pushover-user",
        "title": TITLE,
        "message": TEXT,
        "timestamp": int(sample_messages.AT.timestamp()),
        "priority": 0,
        "device": "phone",
        "sound": "siren",
    }


def pushed(message: Message, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        pushover.render(channel("pushover", "https://p.example", **changes), message).body
    )
    return body


def test_an_emergency_on_pushover_rings_until_it_expires() -> None:
    body = pushed(sample_messages.message(), priority=2, retry=45, expire=900)
    assert (body["priority"], body["retry"], body["expire"]) == (2, 45, 900)


@pytest.mark.parametrize(("priority", "sent"), [(2, 0), (1, 0), (0, 0), (-2, -2)])
def test_recoveries_on_pushover_never_repeat(priority: int, sent: int) -> None:
    body = pushed(UP, priority=priority, sound="siren", sound_up="bell")
    assert (body["priority"], body["sound"]) == (sent, "bell")
    assert not {"retry", "expire"} & set(body)


INCIDENT = "3b1f"
DOWN = sample_messages.message(incident_id=INCIDENT)
RECOVERED = sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP, incident_id=INCIDENT)
ACKED = sample_messages.message(event=EventKind.INCIDENT_ACKNOWLEDGED, status=None, incident_id=INCIDENT)
CANCELLED = ("/1/receipts/cancel_by_tag/watchkeeper-3b1f.json", {"token": "s3cr3t-pushover-app"})


async def requests_of(receiver: Receiver, context: SenderContext, message: Message, **changes: Any) -> list[Any]:
    """Path and body of each request to Pushover."""
    await send(channel("pushover", receiver.url, **changes), message, context)
    return [(one.path, json.loads(one.body)) for one in receiver.arrivals]


def test_an_emergency_on_pushover_is_tagged_with_its_incident() -> None:
    assert pushed(DOWN, priority=2)["tags"] == "watchkeeper-3b1f"
    assert "tags" not in pushed(DOWN, priority=1)


def test_a_digest_on_pushover_rings_on_after_one_of_its_recoveries() -> None:
    other = sample_messages.message(incident_id="4c2e")
    assert "tags" not in pushed(sample_messages.message(incident_id=INCIDENT, merged=(other,)), priority=2)
    again = sample_messages.message(incident_id=INCIDENT, reminder=True, merged=(DOWN,))
    assert pushed(again, priority=2)["tags"] == "watchkeeper-3b1f"


@pytest.mark.parametrize("message", [RECOVERED, ACKED])
async def test_an_emergency_on_pushover_ends_with_recovery_and_acknowledgement(
    message: Message, receiver: Receiver, context: SenderContext
) -> None:
    first, (path, body) = await requests_of(receiver, context, message, priority=2)
    assert first == CANCELLED
    assert (path, body["priority"]) == ("/1/messages.json", 0)


async def test_a_message_of_pushover_that_did_not_ring_is_not_cancelled(
    receiver: Receiver, context: SenderContext
) -> None:
    assert [path for path, _ in await requests_of(receiver, context, RECOVERED, priority=1)] == ["/1/messages.json"]


async def test_an_end_without_a_subscription_only_stops_the_ringing(receiver: Receiver, context: SenderContext) -> None:
    silent = msgspec.structs.replace(ACKED, silent=True)
    assert await requests_of(receiver, context, silent, priority=2) == [CANCELLED]


async def test_a_rejected_cancellation_does_not_keep_the_recovery_back(
    receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=404, times=1))
    paths = [path for path, _ in await requests_of(receiver, context, RECOVERED, priority=2)]
    assert paths == [CANCELLED[0], "/1/messages.json"]


async def test_a_cancellation_that_fails_for_now_is_tried_again_before_the_message(
    receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=503, times=1))
    with pytest.raises(DeliveryError) as failed:
        await requests_of(receiver, context, RECOVERED, priority=2)
    assert not failed.value.permanent
    assert [one.path for one in receiver.arrivals] == [CANCELLED[0]]


def test_pushover_s_message_links_to_where_it_is_acknowledged() -> None:
    body = pushed(sample_messages.message(ack_url=ACK))
    assert (body["url"], body["url_title"], ACK in body["message"]) == (ACK, "Acknowledge", False)


def test_a_link_too_long_for_pushover_is_left_out() -> None:
    assert "url" not in pushed(sample_messages.message(ack_url=f"{ACK}{'x' * 512}"))


def test_a_link_too_long_for_pushover_survives_a_long_text() -> None:
    long = f"{ACK}{'x' * 512}"
    body = pushed(sample_messages.message(ack_url=long, text=f"{'word ' * 300}\nAcknowledge: {long}"))
    assert body["message"].endswith(f"…\nAcknowledge: {long}")
    assert len(body["message"]) <= 1_024


@pytest.mark.parametrize("token", ["a_-b", "_a", "a_", "a_/b_", "__"])
def test_whatsapp_gets_the_link_as_it_is(token: str) -> None:
    link = f"https://watch.example/ack/{token}"
    message = sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name="_x_", type="http"), ack_url=link
    )
    text = json.loads(whatsapp.render(channel("whatsapp", "https://w.example"), message).body)["text"]
    assert text.endswith(f"\nAcknowledge: {link}")
    assert text.startswith("🔴 *＿x＿ is down*\n")  # noqa: RUF001  # what stands for an underscore


async def test_pushover_s_list_of_errors_is_reported(receiver: Receiver, context: SenderContext) -> None:
    body = '{"user":"invalid","errors":["user identifier is invalid","sound is unknown",7],"status":0}'
    failed = await refused("pushover", receiver, context, Order(status=400, body=body))
    assert failed.reason == "answered 400 Bad Request: user identifier is invalid; sound is unknown"
    assert failed.permanent


async def test_pushbullet_gets_a_note_that_names_its_delivery(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived(
        "pushbullet", receiver, context, sample_messages.message(), device_iden="ujx", channel_tag="ops"
    )
    assert (arrival.path, arrival.headers["Access-Token"]) == ("/v2/pushes", "s3cr3t-pushbullet-token")
    assert body == {
        "type": "note",
        "title": TITLE,
        "body": TEXT,
        "guid": DELIVERY,
        "device_iden": "ujx",
        "channel_tag": "ops",
    }


def test_pushbullet_gets_a_link_when_there_is_something_to_acknowledge() -> None:
    message = sample_messages.message(ack_url=ACK)
    body = json.loads(pushbullet.render(channel("pushbullet", "https://p.example"), message).body)
    assert (body["type"], body["url"], ACK in body["body"]) == ("link", ACK, False)


async def test_pushbullet_s_message_is_reported(receiver: Receiver, context: SenderContext) -> None:
    body = '{"error":{"code":"invalid_access_token","type":"invalid_request","message":"Access token is missing."}}'
    failed = await refused("pushbullet", receiver, context, Order(status=401, body=body))
    assert failed.reason == "answered 401 Unauthorized: Access token is missing."


async def test_line_gets_one_text_under_its_delivery_s_retry_key(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived("line", receiver, context, sample_messages.message(), silent=True)
    assert arrival.path == "/v2/bot/message/push"
    assert arrival.headers["Authorization"] == "Bearer s3cr3t-line-token"
    assert arrival.headers["X-Line-Retry-Key"] == DELIVERY
    assert body == {
        "to": chats.USER,
        "messages": [{"type": "text", "text": f"🔴 {TITLE}\n{TEXT}"}],
        "notificationDisabled": True,
    }


async def test_a_retry_key_line_already_accepted_counts_as_delivered(
    receiver: Receiver, context: SenderContext
) -> None:
    receiver.answer(Order(status=409, body='{"message":"The retry key is already accepted"}'))
    await send(channel("line", receiver.url), sample_messages.message(), context)
    assert len(receiver.arrivals) == 1


@pytest.mark.parametrize(("status", "permanent"), [(400, True), (401, True), (403, True), (429, False), (500, False)])
async def test_line_s_other_refusals_are_what_they_are(
    status: int, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    failed = await refused("line", receiver, context, Order(status=status, body='{"message":"The reason"}'))
    assert failed.reason.endswith(": The reason")
    assert failed.permanent == permanent


async def test_signal_gets_a_message_for_each_recipient(receiver: Receiver, context: SenderContext) -> None:
    everybody = ["+12025550123", "+12025550124"]
    await send(channel("signal", receiver.url, recipients=everybody), sample_messages.message(), context)
    assert {one.path for one in receiver.arrivals} == {"/v2/send"}
    assert sorted((json.loads(one.body) for one in receiver.arrivals), key=lambda body: str(body["recipients"])) == [
        {
            "message": f"🔴 {TITLE}\n{TEXT}",
            "number": "+491520000000",
            "recipients": [one],
            "text_mode": "normal",
        }
        for one in everybody
    ]


@pytest.mark.parametrize(
    ("status", "body", "permanent"),
    [
        (400, "Failed to send message due to network error", False),
        (400, "", False),
        (400, "Invalid recipient type", True),
        (400, "Couldn't process request - invalid request", True),
        (400, "Specified account does not exist", True),
        (400, "Failed to send: user +12025550123 is not registered", True),
        (429, "Rate limited", False),
        (404, "", True),
        (500, "Invalid recipient type", False),
    ],
)
async def test_signal_s_400_is_permanent_only_when_its_message_matches(
    status: int, body: str, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    failed = await refused("signal", receiver, context, Order(status=status, body=json.dumps({"error": body})))
    assert failed.permanent == permanent
    assert body in failed.reason


async def test_whatsapp_gets_a_text_without_a_preview(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived("whatsapp", receiver, context, sample_messages.message(), session="ops")
    assert (arrival.path, arrival.headers["X-Api-Key"]) == ("/api/sendText", "s3cr3t-waha-key")
    assert body == {
        "session": "ops",
        "chatId": "12025550123@c.us",
        "text": f"🔴 *Shop <b>&</b> ∗bar∗ is down*\n{TEXT}",  # noqa: RUF001  # what stands for an asterisk
        "linkPreview": False,
    }


async def test_a_waha_server_without_a_key_gets_none(receiver: Receiver, context: SenderContext) -> None:
    arrival, _ = await arrived("whatsapp", receiver, context, sample_messages.message(), api_key="")
    assert "X-Api-Key" not in arrival.headers


@pytest.mark.parametrize(
    ("body", "permanent"),
    [
        ({"error": "Session status is not as expected. Try again later.", "status": "STARTING"}, False),
        ({"message": "chatId must be a string", "error": "Unprocessable Entity"}, True),
        ({}, True),
    ],
)
async def test_a_waha_session_that_is_not_ready_is_waited_for(
    body: dict[str, str], *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    failed = await refused("whatsapp", receiver, context, Order(status=422, body=json.dumps(body)))
    assert failed.permanent == permanent
