"""The longest messages are within every provider's limits, measured over whole fields in the provider's own unit."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from actors.senders.kit.text_limits import utf8_bytes, utf16_units
from actors.senders.kit.webpush_encryption import PLAIN_LIMIT
from actors.senders.providers import webpush
from schema.channels import PROVIDERS
from schema.message import Message
from tests.actors.senders import readers, sample_messages
from tests.actors.senders.displays import body_of, mail_parts, webpush_size

ACK = f"https://watch.example/ack/{'x_' * 100}"
NAMES = {"x": "x" * 150, "emoji": "🔥" * 141, "marks": "<*&_" * 37, "quotes": '"\\' * 75, "cjk": "日本" * 75}
TEXTS = {
    "x": "x" * 4_000,
    "emoji": "🔥" * 4_000,
    "marks": "<*&_" * 1_000,
    "quotes": '"\\' * 2_000,
    "cjk": "日本" * 2_000,
    "lines": "\n-" * 2_000,
    "mentions": "@all " * 800,
    "links": "https://wiki.example/a_b " * 160,
}
Sizes = dict[str, tuple[int, int]]  # a field's size and its limit


def json_bytes(body: Any) -> int:
    return utf8_bytes(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def slack(body: Any) -> Sizes:
    """Slack: a top-level text of 40,000 characters; for rich text no limit is documented, a section has 3,000."""
    return {
        "text": (utf16_units(body["text"]), 40_000),
        "rich text": (utf16_units(readers.rich_text(body["blocks"][0]).text), 3_000),
    }


def discord(body: Any) -> Sizes:
    """Discord: content 2,000 characters, an embed's description 4,096, all of an embed 6,000."""
    return {
        "content": (utf16_units(body["content"]), 2_000),
        "description": (utf16_units(body["embeds"][0]["description"]), 4_096),
    }


def mattermost(body: Any) -> Sizes:
    """Mattermost: 16,383 runes for a post, 4,000 on old servers."""
    return {name: (len(body["attachments"][0][name]), 4_000) for name in ("title", "text", "fallback")}


def teams(body: Any) -> Sizes:
    """Teams: 28 KB for a message; whether of UTF-8 or UTF-16 is not said."""
    encoded = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return {"UTF-8": (utf8_bytes(encoded), 28_000), "UTF-16": (2 * utf16_units(encoded), 28_000)}


SIZES: dict[str, Callable[[Any], Sizes]] = {
    "slack": slack,
    "discord": discord,
    # Telegram: 1 to 4,096 UTF-16 units after entities parsing
    "telegram": lambda body: {"text": (utf16_units(readers.html(body["text"]).text), 4_096)},
    # ntfy: a message of 4,096 bytes, a JSON body of twice as much
    "ntfy": lambda body: {"message": (utf8_bytes(body["message"]), 4_096), "body": (json_bytes(body), 8_192)},
    # Pushover: 250 and 1,024 characters of up to four bytes
    "pushover": lambda body: {"title": (len(body["title"]), 250), "message": (len(body["message"]), 1_024)},
    # Matrix: an event of 65,536 bytes, with what the server adds
    "matrix": lambda body: {"event": (json_bytes(body), 60_000)},
    "mattermost": mattermost,
    "teams": teams,
    # Google Chat: 32,000 bytes
    "google_chat": lambda body: {"message": (json_bytes(body), 32_000)},
    # Signal: a message of 4,000 characters is a choice of ours: readers have to expand longer ones
    "signal": lambda body: {"message": (len(body["message"]), 4_000)},
    # WeCom: 2,048 bytes of UTF-8
    "wecom": lambda body: {"content": (utf8_bytes(body["text"]["content"]), 2_048)},
    "whatsapp": lambda body: {"text": (utf16_units(body["text"]), 4_096)},
    # LINE: 5,000 UTF-16 units
    "line": lambda body: {"text": (utf16_units(body["messages"][0]["text"]), 5_000)},
    "pushbullet": lambda body: {"body": (len(body["body"]), 4_000)},
    # Opsgenie: characters of Java
    "opsgenie": lambda body: {
        "message": (utf16_units(body["message"]), 130),
        "description": (utf16_units(body["description"]), 15_000),
    },
    # PagerDuty: a summary of 1,024 characters, an event of 512 KB
    "pagerduty": lambda body: {
        "summary": (utf16_units(body["payload"]["summary"]), 1_024),
        "event": (json_bytes(body), 512_000),
    },
    "twilio": lambda body: {"Body": (utf16_units(body["Body"]), 1_600)},
}
UNLIMITED = {"webhook", "gotify", "grafana_oncall", "pagertree", "sendgrid"}  # above what a message has
OTHERS = {"smtp", "webpush", "apprise"}  # the first two have tests below; Apprise hands limits to its services


def longest(name: str, text: str, ack_url: str = ACK) -> Message:
    shop = sample_messages.MessageMonitor(id="1", name=name[:150], type="http")
    return sample_messages.message(
        monitor=shop, title=f"{name} is down", msg=text, text=f"{text}\nAcknowledge: {ack_url}", ack_url=ack_url
    )


def test_every_provider_is_measured() -> None:
    assert sorted([*SIZES, *UNLIMITED, *OTHERS]) == sorted(PROVIDERS)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("provider", SIZES)
def test_the_longest_message_is_within_the_limits(provider: str, name: str, text: str) -> None:
    body = body_of(provider, longest(NAMES[name], TEXTS[text]))
    assert {field: size for field, size in SIZES[provider](body).items() if size[0] > size[1]} == {}
    assert ACK in json.dumps(body).replace("&amp;", "&")


@pytest.mark.parametrize("text", TEXTS)
def test_a_push_to_a_browser_is_within_4096_bytes(text: str) -> None:
    message = longest(NAMES["emoji"], TEXTS[text])
    assert len(webpush.payload_of(message)) <= PLAIN_LIMIT
    assert webpush_size(message) <= 4_096


@pytest.mark.parametrize("text", TEXTS)
def test_an_e_mail_has_all_of_it(text: str) -> None:
    subject, plain, html = mail_parts(longest(NAMES["emoji"], TEXTS[text]))
    assert subject == f"{NAMES['emoji']} is down"
    assert TEXTS[text].strip() in plain
    assert ACK in readers.html(html).links


@pytest.mark.parametrize("emoji", [145, 150])
def test_telegram_counts_the_title_too(emoji: int) -> None:
    body = body_of("telegram", longest("🔥" * emoji, "🔥" * 4_000))
    units = utf16_units(readers.html(body["text"]).text)
    assert 4_090 <= units <= 4_096


@pytest.mark.parametrize("provider", sorted(set(SIZES) - {"opsgenie"}))
def test_an_address_that_does_not_fit_is_left_out(provider: str) -> None:
    long = "https://wiki.example/" + "y" * 4_500
    encoded = json.dumps(body_of(provider, longest("Shop", f"{'x ' * 10}{long}")))
    assert long in encoded or "https://wiki.example/y" not in encoded
