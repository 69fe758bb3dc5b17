"""Exact requests to Matrix, Mattermost, Teams, Google Chat and WeCom, and what their responses mean."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import google_chat, matrix, mattermost, teams
from schema.channels import GoogleChat
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import chats, sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Arrival, Order, Receiver

TITLE = "Shop <b>&</b> *bar* is down"
TEXT = "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
ESCAPED = "Shop &lt;b&gt;&amp;&lt;/b&gt; *bar* is down"
ACK = "https://watch.example/ack/eyJpZCI6MX0.c2lnbmVk"
ASKED = sample_messages.message(ack_url=ACK)
DELIVERY = sample_messages.message().delivery_id


async def arrived(
    provider: str, receiver: Receiver, context: SenderContext, message: Message, **changes: Any
) -> tuple[Arrival, Any]:
    await send(channel(provider, receiver.url, **changes), message, context)
    (arrival,) = receiver.arrivals
    assert arrival.headers["Content-Type"] == "application/json"
    return arrival, json.loads(arrival.body)


async def refused(provider: str, receiver: Receiver, context: SenderContext, order: Order) -> DeliveryError:
    receiver.answer(order)
    with pytest.raises(DeliveryError) as failed:
        await send(channel(provider, receiver.url), sample_messages.message(), context)
    return failed.value


async def test_matrix_gets_an_event_under_its_delivery_s_transaction(
    receiver: Receiver, context: SenderContext
) -> None:
    arrival, body = await arrived("matrix", receiver, context, sample_messages.message())
    assert arrival.method == "PUT"
    assert arrival.path == f"/_matrix/client/v3/rooms/{quote(chats.ROOM, safe='')}/send/m.room.message/{DELIVERY}"
    assert arrival.headers["Authorization"] == "Bearer s3cr3t-matrix-token"
    assert body == {
        "msgtype": "m.text",
        "body": f"🔴 {TITLE}\n{TEXT}",
        "format": "org.matrix.custom.html",
        "formatted_body": f"🔴 <strong>{ESCAPED}</strong><br>{TEXT}".replace("\n", "<br>"),
        "m.mentions": {},
    }


def test_matrix_links_to_where_it_is_acknowledged_once() -> None:
    body = json.loads(matrix.render(channel("matrix", "https://m.example/"), ASKED).body)
    assert body["body"].endswith(f" UTC\nAcknowledge: {ACK}")
    assert body["formatted_body"].endswith(f' UTC<br><a href="{ACK}">Acknowledge</a>')


def test_a_room_is_escaped_in_the_address() -> None:
    request = matrix.render(channel("matrix", "https://m.example", room_id="!a/../../x?y#z"), sample_messages.message())
    path = f"rooms/%21a%2F..%2F..%2Fx%3Fy%23z/send/m.room.message/{DELIVERY}"
    assert request.url == f"https://m.example/_matrix/client/v3/{path}"


async def test_matrix_sets_the_retry_delay(receiver: Receiver, context: SenderContext) -> None:
    body = '{"errcode":"M_LIMIT_EXCEEDED","error":"Too many requests","retry_after_ms":2000}'
    failed = await refused("matrix", receiver, context, Order(status=429, body=body))
    assert (failed.reason, failed.permanent) == ("answered 429 Too Many Requests: Too many requests", False)
    assert failed.retry_after_s == 2.0


async def test_mattermost_gets_an_attachment_without_mentions(receiver: Receiver, context: SenderContext) -> None:
    changes = {"username": "wk", "channel": "ops", "icon_emoji": "bell"}
    shop = sample_messages.message(monitor=sample_messages.MessageMonitor(id="1", name="my_shop *x* @all", type="http"))
    arrival, body = await arrived("mattermost", receiver, context, shop, **changes)
    assert (arrival.method, arrival.path) == ("POST", chats.MATTERMOST_PATH)
    assert body == {
        "attachments": [
            {
                "fallback": f"my_shop *x* @\u200ball is down\n{TEXT}",
                "color": "#d9342b",
                "title": "my_shop \\*x\\* @\u200ball is down",
                "text": TEXT,
            }
        ],
        **changes,
    }


def test_mattermost_links_to_where_it_is_acknowledged() -> None:
    (card,) = json.loads(mattermost.render(channel("mattermost", "https://m.example"), ASKED).body)["attachments"]
    assert card["text"].endswith(f" UTC\n[Acknowledge]({ACK})")
    assert card["text"].count(ACK) == 1


def block(run: dict[str, str], **properties: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", **properties, "inlines": [{"type": "TextRun", **run}]}


async def test_teams_gets_a_card_of_plain_lines(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(status=202, body=""))
    arrival, body = await arrived("teams", receiver, context, sample_messages.message(ack_url=ACK))
    assert (arrival.method, arrival.path) == ("POST", chats.TEAMS_PATH)
    (attachment,) = body.pop("attachments")
    card = attachment.pop("content")
    assert body == {"type": "message", "summary": TITLE}
    assert attachment == {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None}
    assert card == {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [
            block({"text": TITLE, "weight": "bolder", "size": "medium", "color": "attention"}),
            *(block({"text": line}, spacing="none") for line in TEXT.split("\n")),
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "Acknowledge", "url": ACK}],
    }


def test_an_address_in_a_card_is_a_run_that_opens_it() -> None:
    url = "https://wiki.example.org/run_book_v2?x=(1)"
    request = teams.render(channel("teams", "https://t.example"), sample_messages.message(text=f"See {url}."))
    line = json.loads(request.body)["attachments"][0]["content"]["body"][1]
    opened = {"type": "TextRun", "text": url, "selectAction": {"type": "Action.OpenUrl", "url": url}}
    assert line["inlines"] == [{"type": "TextRun", "text": "See "}, opened, {"type": "TextRun", "text": "."}]


def test_a_card_without_anything_to_acknowledge_has_no_button() -> None:
    up = sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP)
    content = json.loads(teams.render(channel("teams", "https://t.example"), up).body)["attachments"][0]["content"]
    assert "actions" not in content
    assert content["body"][0]["inlines"][0]["color"] == "good"


async def test_a_deleted_workflow_is_reported_with_its_message(receiver: Receiver, context: SenderContext) -> None:
    body = '{"error":{"code":"WorkflowTriggerIsNotEnabled","message":"The trigger is not enabled."}}'
    failed = await refused("teams", receiver, context, Order(status=400, body=body))
    assert (failed.reason, failed.permanent) == ("answered 400 Bad Request: The trigger is not enabled.", True)


async def test_google_chat_gets_a_card_in_the_outage_s_thread(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived(
        "google_chat", receiver, context, sample_messages.message(incident_id="inc-1", ack_url=ACK)
    )
    threaded = "messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
    assert (arrival.method, arrival.path) == ("POST", f"{chats.GOOGLE_PATH}&requestId={DELIVERY}&{threaded}")
    expected = f"🔴 <b>{ESCAPED}</b><br>{TEXT}".replace("\n", "<br>")
    widgets = [
        {"textParagraph": {"text": expected}},
        {"buttonList": {"buttons": [{"text": "Acknowledge", "onClick": {"openLink": {"url": ACK}}}]}},
    ]
    assert body == {
        "fallbackText": f"🔴 {TITLE}\n{TEXT}",
        "cardsV2": [{"cardId": DELIVERY, "card": {"sections": [{"widgets": widgets}]}}],
        "thread": {"threadKey": "inc-1"},
    }


def test_google_chat_gets_no_thread_without_an_incident() -> None:
    request = google_chat.render(channel("google_chat", "https://g.example"), sample_messages.message())
    assert "messageReplyOption" not in request.url
    assert "thread" not in json.loads(request.body)


def test_a_google_token_stays_what_it_is() -> None:
    config = GoogleChat(webhook_url="https://g.example/v1/spaces/A/messages?key=AIza-1&token=a-b_c%3D%2B")
    url = google_chat.render(config, sample_messages.message()).url
    assert url.startswith("https://g.example/v1/spaces/A/messages?key=AIza-1&token=a-b_c%3D%2B&requestId=")


async def test_wecom_gets_a_text_without_mentions(receiver: Receiver, context: SenderContext) -> None:
    receiver.answer(Order(body='{"errcode":0,"errmsg":"ok"}'))
    shop = sample_messages.message(monitor=sample_messages.MessageMonitor(id="1", name="<@all> shop", type="http"))
    arrival, body = await arrived("wecom", receiver, context, shop)
    assert (arrival.method, arrival.path) == ("POST", chats.WECOM_PATH)
    assert body == {"msgtype": "text", "text": {"content": f"🔴 <\u200b@all> shop is down\n{TEXT}"}}


@pytest.mark.parametrize(
    ("status", "body", "reason", "permanent"),
    [
        (200, '{"errcode":93000,"errmsg":"invalid webhook url"}', "200 OK: 93000 invalid webhook url", True),
        (200, '{"errcode":40058,"errmsg":"text exceed max length"}', "200 OK: 40058 text exceed max length", True),
        (200, '{"errcode":45009,"errmsg":"api freq out of limit"}', "200 OK: 45009 api freq out of limit", False),
        (200, '{"errcode":-1,"errmsg":"system busy"}', "200 OK: -1 system busy", False),
        (200, '{"errcode":"0"}', "200 OK: no result of WeCom's", False),
        (200, '{"errcode":false,"errmsg":7}', "200 OK: no result of WeCom's", False),
        (200, "<html>please sign in</html>", "200 OK: no result of WeCom's", False),
        (200, "x" * 100_000, "200 OK: no result of WeCom's", False),
        (404, "", "404 Not Found: no result of WeCom's", True),
        (502, '{"errcode":0,"errmsg":"ok"}', "502 Bad Gateway: 0 ok", False),
    ],
)
async def test_wecom_s_answer_is_read(
    status: int, body: str, reason: str, *, permanent: bool, receiver: Receiver, context: SenderContext
) -> None:
    failed = await refused("wecom", receiver, context, Order(status=status, body=body))
    assert (failed.reason, failed.permanent) == (f"answered {reason}", permanent)
