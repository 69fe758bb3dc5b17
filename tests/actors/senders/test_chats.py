"""Exact requests to Slack, Discord, Telegram and ntfy, recorded on loopback."""

import base64
import json
from typing import Any

import pytest

from actors.senders import send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import discord, ntfy, slack, telegram
from schema.events import EventKind
from schema.message import Message
from schema.status import Status
from tests.actors.senders import sample_messages
from tests.actors.senders.sample_messages import channel
from tests.receiver import Arrival, Receiver

TEXT = "Down since 2026-11-22 12:00:00 UTC.\n503 Service Unavailable\n2026-11-22 12:00:00 UTC"
NASTY = sample_messages.message(
    monitor=sample_messages.MessageMonitor(id="1", name=sample_messages.NASTY, type="http"), msg=sample_messages.NASTY
)


async def arrived(
    provider: str, receiver: Receiver, context: SenderContext, message: Message, **changes: Any
) -> tuple[Arrival, Any]:
    await send(channel(provider, receiver.url, **changes), message, context)
    (arrival,) = receiver.arrivals
    assert arrival.method == "POST"
    assert arrival.headers["Content-Type"] == "application/json"
    return arrival, json.loads(arrival.body)


async def test_slack_gets_rich_text_and_a_text_for_notifications(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived("slack", receiver, context, sample_messages.message(), username="wk", channel="#ops")
    title = "🔴 Shop <b>&</b> *bar* is down"
    assert arrival.path == sample_messages.SLACK_PATH
    elements = [{"type": "text", "text": title, "style": {"bold": True}}, {"type": "text", "text": f"\n{TEXT}"}]
    assert body == {
        "text": f"🔴 Shop &lt;b&gt;&amp;&lt;/b&gt; *bar* is down\n{TEXT}",
        "mrkdwn": False,
        "blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}],
        "unfurl_links": False,
        "username": "wk",
        "channel": "#ops",
    }


@pytest.mark.parametrize("name", ["_staging_", "*/5 * * * *", "~old~ `x`", "<!channel> &lt;"])
def test_slack_shows_a_name_as_it_is(name: str) -> None:
    shop = sample_messages.MessageMonitor(id="1", name=name, type="http")
    body = json.loads(slack.render(channel("slack", "https://s.example"), sample_messages.message(monitor=shop)).body)
    (section,) = body["blocks"][0]["elements"]
    assert section["elements"][0]["text"] == f"🔴 {name} is down"


async def test_discord_gets_an_embed_without_mentions(receiver: Receiver, context: SenderContext) -> None:
    shop = sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name="Shop", type="http"), msg="no answer"
    )
    arrival, body = await arrived("discord", receiver, context, shop, username="wk")
    assert arrival.path == f"{sample_messages.DISCORD_PATH.replace('/api/', '/api/v10/')}?wait=true"
    assert body == {
        "content": "🔴 Shop is down",
        "embeds": [
            {
                "description": TEXT.replace("503 Service Unavailable", "no answer"),
                "color": 0xD9342B,
                "timestamp": "2026-11-22T12:00:00Z",
            }
        ],
        "allowed_mentions": {"parse": []},
        "username": "wk",
    }


def test_the_thread_in_a_discord_address_stays() -> None:
    config = channel("discord", "https://d.example", webhook_url="https://d.example/api/webhooks/1/x?thread_id=9")
    assert (
        discord.render(config, sample_messages.message()).url
        == "https://d.example/api/v10/webhooks/1/x?thread_id=9&wait=true"
    )


async def test_telegram_gets_an_html_message(receiver: Receiver, context: SenderContext) -> None:
    changes = {"message_thread_id": 7, "silent": True, "protect_content": True}
    arrival, body = await arrived("telegram", receiver, context, sample_messages.message(), **changes)
    assert arrival.path == f"/bot{sample_messages.TOKEN}/sendMessage"
    assert body == {
        "chat_id": "-100123",
        "text": f"🔴 <b>Shop &lt;b&gt;&amp;&lt;/b&gt; *bar* is down</b>\n{TEXT}",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": True,
        "protect_content": True,
        "message_thread_id": 7,
    }


async def test_ntfy_gets_a_publication_that_names_its_delivery(receiver: Receiver, context: SenderContext) -> None:
    arrival, body = await arrived("ntfy", receiver, context, sample_messages.message(), priority=5)
    assert (arrival.path, arrival.headers["Authorization"]) == ("/", "Bearer tk_s3cr3t-access")
    assert body == {
        "topic": "alerts",
        "title": "Shop <b>&</b> *bar* is down",
        "message": TEXT,
        "priority": 5,
        "tags": ["red_circle"],
        "sequence_id": sample_messages.message().delivery_id,
    }


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        (
            {"token": "", "username": "joe", "password": "pä:ss"},
            "Basic " + base64.b64encode("joe:pä:ss".encode()).decode(),
        ),
        ({"token": "tk_1", "username": "joe", "password": "x"}, "Bearer tk_1"),
        ({"token": ""}, None),
    ],
)
def test_ntfy_signs_in_as_configured(changes: dict[str, Any], sent: str | None) -> None:
    request = ntfy.render(channel("ntfy", "https://n.example", **changes), sample_messages.message())
    assert request.headers.get("Authorization") == sent


@pytest.mark.parametrize(("priority", "sent"), [(5, 3), (3, 3), (1, 1)])
def test_recoveries_are_never_urgent(priority: int, sent: int) -> None:
    up = sample_messages.message(event=EventKind.MONITOR_UP, status=Status.UP)
    request = ntfy.render(channel("ntfy", "https://n.example/", priority=priority), up)
    assert json.loads(request.body)["priority"] == sent
    assert request.url == "https://n.example/"


ACK = "https://watch.example/ack/eyJpZCI6MX0.c2ln?a=1&b=2"
ASKED = sample_messages.message(ack_url=ACK)
WHEN = "2026-11-22 12:00:00 UTC"


def test_slack_links_to_where_it_is_acknowledged() -> None:
    body = json.loads(slack.render(channel("slack", "https://s.example"), ASKED).body)
    (section,) = body["blocks"][0]["elements"]
    assert section["elements"][-1] == {"type": "link", "url": ACK, "text": "Acknowledge"}
    assert body["text"].endswith(f"\n{WHEN}\nAcknowledge: {ACK.replace('&', '&amp;')}")


def test_discord_links_to_where_it_is_acknowledged() -> None:
    (embed,) = json.loads(discord.render(channel("discord", "https://d.example"), ASKED).body)["embeds"]
    assert embed["description"].endswith(f" UTC\n[Acknowledge]({ACK})")
    assert embed["description"].count(ACK) == 1


def test_ntfy_has_a_button_that_acknowledges() -> None:
    body = json.loads(ntfy.render(channel("ntfy", "https://n.example"), ASKED).body)
    assert body["actions"] == [{"action": "view", "label": "Acknowledge", "url": ACK, "clear": True}]
    assert ACK not in body["message"]


def test_telegram_truncation_preserves_the_link() -> None:  # it refuses buttons to addresses that are not public
    long = sample_messages.message(ack_url=ACK, text=f"{'x' * 9_000}\nAcknowledge: {ACK}")
    text = json.loads(telegram.render(channel("telegram", "https://t.example"), long).body)["text"]
    address = ACK.replace("&", "&amp;")
    assert text.endswith(f'…\nAcknowledge: <a href="{address}">{address}</a>')


def test_names_can_not_mention_or_link_in_slack() -> None:
    body = json.loads(slack.render(channel("slack", "https://s.example"), NASTY).body)
    assert "<" not in body["text"]
    assert {one["type"] for one in body["blocks"][0]["elements"][0]["elements"]} == {"text", "link"}


def test_names_can_not_add_markup_to_discord() -> None:
    body = json.loads(discord.render(channel("discord", "https://d.example"), NASTY).body)
    assert r"\[a\]\(<http://evil.example>\)" in body["content"]
    assert r"\@everyone" in body["embeds"][0]["description"]


def test_discord_leaves_addresses_alone() -> None:
    text = "See https://wiki.example.org/run_book_v2?x=(1) or *ask*"
    body = json.loads(discord.render(channel("discord", "https://d.example"), sample_messages.message(text=text)).body)
    assert body["embeds"][0]["description"] == r"See <https://wiki.example.org/run_book_v2?x=(1)> or \*ask\*"


def test_names_can_not_add_tags_to_telegram() -> None:
    text = json.loads(telegram.render(channel("telegram", "https://t.example"), NASTY).body)["text"]
    link = '<a href="http://evil.example">http://evil.example</a>'
    assert text.count("<") == 2 + 2 * text.count(link)
    assert "&lt;script&gt;" in text
    assert "@\u200beveryone" in text


def test_a_token_can_not_leave_its_place_in_the_address() -> None:
    request = telegram.render(
        channel("telegram", "https://t.example", bot_token="1:a/../../x?y#z"), sample_messages.message()
    )
    assert request.url == "https://t.example/bot1:a%2F..%2F..%2Fx%3Fy%23z/sendMessage"
