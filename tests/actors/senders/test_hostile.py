"""Names and reasons from outside, in every chat: no markup, no mention, no hidden link, no overflow."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from hypothesis import given as for_any, strategies as st

from actors.senders.kit.http import ProviderRequest
from actors.senders.kit.text_limits import truncate, truncate_keeping_link, utf8_bytes, utf16_units
from actors.senders.providers import (
    google_chat,
    gotify,
    line,
    matrix,
    mattermost,
    pushbullet,
    pushover,
    signal,
    teams,
    wecom,
    whatsapp,
)
from app.domain.text.message_text import one_line
from schema.message import Message
from tests.actors.senders import sample_messages
from tests.actors.senders.chats import CHATS
from tests.actors.senders.sample_messages import channel

RENDER: dict[str, Callable[[Any, Message], ProviderRequest]] = {
    "gotify": gotify.render,
    "pushover": pushover.render,
    "matrix": matrix.render,
    "mattermost": mattermost.render,
    "teams": teams.render,
    "google_chat": google_chat.render,
    "signal": signal.render,
    "wecom": wecom.render,
    "whatsapp": whatsapp.render,
    "line": line.render,
    "pushbullet": pushbullet.render,
}
HOSTILE = (
    sample_messages.NASTY,
    "[pay here](https://evil.example) ![x](https://evil.example/pixel.png) <https://evil.example|click>",
    '<a href="https://evil.example">bank</a> <img src=x onerror=alert(1)> <users/all> <at>everyone</at>',
    "@channel @here @all @everyone @room <@all> <@U123> <!here> #general ~town-square",
    "*bold* _it_ ~gone~ `code` ```block``` **b** __u__ ||spoiler|| > quote",
    '"},"attachments":[{"text":"more"}],"x":{"y":"',
    "\x00\x01\x1b[31m\r\n\u2028\u202egpj.exe\u2069",
    "&lt;b&gt; &amp; %0d%0a \\[a\\](b) $(id) {{ 7*7 }} ${jndi}",
    "🔥日本語العربية" * 20,
)
MARKUP: dict[str, tuple[str, ...]] = {  # what the provider would act upon, in the text that it reads as markup
    "matrix": ("<img", "<script", "<users", "<at"),
    "google_chat": ("<img", "<script", "<users", "<at"),
    "mattermost": ("@c", "@h", "@a", "@e", "@r", "@U", "#g", "~t", "~g"),
    "wecom": ("<@",),
}
UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[\[\]()<>*`|!]")  # of Markdown


def body_of(provider: str, message: Message) -> dict[str, Any]:
    request = RENDER[provider](channel(provider, "https://chat.example"), message)
    assert re.search(r"[\r\n\0]", str(request.headers)) is None
    body: dict[str, Any] = json.loads(request.body)
    return body


def hostile(words: str, **changes: Any) -> Message:
    return sample_messages.message(
        monitor=sample_messages.MessageMonitor(id="1", name=words, type="http"), msg=words, **changes
    )


def displayed_texts(provider: str, body: dict[str, Any]) -> list[str]:
    """The texts that the provider shows, as it reads them."""
    found: dict[str, Callable[[], list[str]]] = {
        "gotify": lambda: [body["title"], body["message"]],
        "pushover": lambda: [body["title"], body["message"]],
        "matrix": lambda: [body["formatted_body"]],
        "mattermost": lambda: [body["attachments"][0]["title"], body["attachments"][0]["text"]],
        "teams": lambda: [run["text"] for one in body["attachments"][0]["content"]["body"] for run in one["inlines"]],
        "google_chat": lambda: [body["cardsV2"][0]["card"]["sections"][0]["widgets"][0]["textParagraph"]["text"]],
        "signal": lambda: [body["message"]],
        "wecom": lambda: [body["text"]["content"]],
        "whatsapp": lambda: [body["text"]],
        "line": lambda: [body["messages"][0]["text"]],
        "pushbullet": lambda: [body["title"], body["body"]],
    }
    return found[provider]()


def test_every_chat_is_in_the_tables() -> None:
    assert set(RENDER) == set(CHATS)


@pytest.mark.parametrize("provider", CHATS)
@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_changes_only_the_text(provider: str, words: str) -> None:
    calm, body = body_of(provider, hostile("shop")), body_of(provider, hostile(words))
    assert shape_of(body) == shape_of(calm) or provider == "teams"  # whose links are runs of their own
    text = "\n".join(displayed_texts(provider, body))
    assert not [one for one in MARKUP.get(provider, ()) if one in text]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_is_no_markdown_in_mattermost(words: str) -> None:
    for text in displayed_texts("mattermost", body_of("mattermost", hostile(words))):
        assert not UNESCAPED.search(re.sub(r"<https?://[^\s<>]+>", "", text))


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_adds_no_markup_in_whatsapp(words: str) -> None:
    (text,) = displayed_texts("whatsapp", body_of("whatsapp", hostile(words)))
    assert text.count("*") == (0 if "http" in words else 2)  # around a title without a link
    assert not re.search(r"[~`]|(?<![A-Za-z0-9])_", text)


@pytest.mark.parametrize("words", HOSTILE)
def test_html_messages_contain_only_our_tags(words: str) -> None:
    for provider, tags in (("matrix", {"strong", "/strong", "br"}), ("google_chat", {"b", "/b", "br"})):
        (linked,) = displayed_texts(provider, body_of(provider, hostile(words)))
        text = re.sub(r'<a href="([^"<>]+)">\1</a>', r"\1", linked)  # a link shows where it leads
        assert set(re.findall(r"<([^>]*)>", text)) == tags
        assert unescape(text).count(one_line(words, 90).split()[0][:5]) >= 2


def shape_of(part: object) -> object:
    """The structure without its texts."""
    if isinstance(part, dict):
        return {name: shape_of(inner) for name, inner in part.items()}
    return [shape_of(one) for one in part] if isinstance(part, list) else type(part)


@for_any(st.text(), st.integers(1, 50), st.sampled_from([len, utf8_bytes, utf16_units]))
def test_truncated_text_fits_the_limit_and_is_a_prefix(text: str, limit: int, cost: Callable[[str], int]) -> None:
    short = truncate(text, limit + 3, cost)
    assert cost(short) <= limit + 3
    assert short == text or text.startswith(short[:-1])


@for_any(st.text(max_size=40), st.integers(20, 60))
def test_truncation_preserves_the_line_with_the_link(text: str, limit: int) -> None:
    short = truncate_keeping_link(f"{text}\nSee: a://link", "a://link", limit)
    assert len(short) <= limit
    assert short.endswith("\nSee: a://link")
