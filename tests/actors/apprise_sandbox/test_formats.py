"""What Apprise's services get: addresses byte by byte and names as they are, in each of Apprise's formats."""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from apprise import Apprise as Notifier
from apprise.plugins.base import NotifyBase
from hypothesis import assume, given as for_any, settings

from actors.apprise_sandbox.protocol import SendRequest
from actors.apprise_sandbox.send import ASSET, choose_rendering, plugin_for_url
from actors.senders.providers import apprise
from schema.channels import Apprise
from tests.actors.senders import readers, sample_messages
from tests.actors.senders.readers import Shown
from tests.actors.senders.test_markup import texts
from tests.services import every_service

EXAMPLES: dict[str, dict[str, dict[str, object]]] = json.loads(Path(__file__).with_name("examples.json").read_text())
TITLE = "_staging_ is down"
ACK = "https://watch.example.org/ack/abc_def-_.-x_?a=1&b=(2)_"
LINES = Shown(
    f"x *bar* 2026-11-28 [pay](y) <b>\nhttps://wiki.example/(run_book)_v2*?x=1, C:\\new\nAcknowledge: {ACK}",
    ["https://wiki.example/(run_book)_v2*?x=1", ACK],
)
ROCKET_CHAT_MISSES = (
    re.compile(  # addresses that its parser has no form for: behind a mark, or with a bracket before one
        r"""[^\s]https?://|https?://\S*\)\S*[.,!%~*"':;()=](?:\s|$)"""
    )
)
WHATSAPP = ("cliq", "evolution", "whapi")  # no escapes, or none that Apprise leaves
MARKDOWN = (
    *("github", "goalert", "google_chat", "ilert", "incidentio", "kook", "reddit", "rocketchat", "simplepush"),
    *("squadcast", "twist", "webexteams", "workflows", *WHATSAPP),
)
READERS: dict[str, Callable[[str], Shown]] = {
    **dict.fromkeys(WHATSAPP, readers.whatsapp),
    **dict.fromkeys(("discord", "fluxer", "guilded"), readers.discord),
    "google_chat": readers.anchors,
    "mattermost": readers.mattermost,
    "rocketchat": readers.rocket_chat,
    "slack": lambda text: readers.plain(readers.unescape_three(text)),
    "zulip": readers.plain,
}
FORMATS: dict[str, Callable[[str], Shown]] = {
    "text": readers.plain,
    "markdown": readers.common_mark,
    "html": lambda text: readers.html(text.replace("\r\n", "\n")),
}


@lru_cache(maxsize=1)
def service_of(service: str) -> tuple[Apprise, NotifyBase]:
    """The channel and Apprise's object for a service of the catalogue, or for an address."""
    is_address = "://" in service
    config = Apprise(url=service) if is_address else msgspec.convert({"service": service, **EXAMPLES[service]}, Apprise)
    request = apprise.render(config, sample_messages.message())
    made = plugin_for_url(request.module, request.url)
    assert made is not None
    return config, made


def handed_over(service: str, message: Any) -> tuple[str, str, str]:
    """(format, title, body) that Apprise hands to the service's own code, which builds the request."""
    config, plugin = service_of(service)
    calls: list[dict[str, Any]] = []
    plugin.send = lambda **call: not calls.append(call)  # type: ignore[method-assign,func-returns-value]  # notes the call, and is false
    request: SendRequest = apprise.render(config, message)
    body_format, title, text = choose_rendering(request, plugin)
    notifier = Notifier(asset=ASSET)
    notifier.add(plugin)
    assert notifier.notify(body=text, title=title, body_format=body_format)
    (call,) = calls
    return body_format.value, call["title"], call["body"]


def shown_by(service: str, text: str) -> Shown:
    """What the service shows of a text below a calm title."""
    body_format, title, body = handed_over(service, sample_messages.message(title="Down", text=text))
    first, _, rest = body.partition("\n")
    if not title:
        assert "Down" in first
        body = rest
    return READERS.get(service, FORMATS[body_format])(body)


@pytest.mark.parametrize("service", every_service())
def test_a_service_shows_what_was_written(service: str) -> None:
    n_lines = service_of(service)[1].body_max_line_count  # a line for each line, on a television
    expected = readers.plain("\r\n".join(LINES.text.split("\n")[:n_lines])) if n_lines else LINES
    assert shown_by(service, LINES.text) == expected


@pytest.mark.parametrize("service", MARKDOWN)
def test_a_service_for_markdown_shows_what_was_written(service: str) -> None:
    assert handed_over(service, sample_messages.message())[0] == "markdown"
    assert shown_by(service, LINES.text) == LINES


@pytest.mark.parametrize("service", [*MARKDOWN, "telegram", "mailgun", "discord", "mattermost"])
@settings(max_examples=25, deadline=None)
@for_any(texts())
def test_any_text_is_shown_as_it_was_written(service: str, text: Shown) -> None:
    assume(service != "rocketchat" or not ROCKET_CHAT_MISSES.search(text.text))
    assert shown_by(service, text.text) == text


@pytest.mark.parametrize(
    ("url", "body_format", "reader"),
    [
        ("json://example.org/?format=text", "text", readers.plain),
        ("json://example.org/?format=markdown", "markdown", readers.common_mark),
        ("json://example.org/?format=html", "html", readers.html),
        ("discord://4242424242/abcdefgh12345678?format=markdown", "markdown", readers.discord),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?format=markdown", "markdown", readers.anchors),
    ],
)
def test_an_address_may_ask_for_another_format(url: str, body_format: str, reader: Callable[[str], Shown]) -> None:
    expected = LINES._replace(text=LINES.text.replace("\\", ""))  # which Slack would show twice
    chosen, title, body = handed_over(url, sample_messages.message(title="Down", text=expected.text))
    assert (chosen, title, reader(body)) == (body_format, "Down", expected)


@pytest.mark.parametrize(
    ("service", "line"),
    [
        ("rocketchat", "# _staging_ is down"),
        ("discord", r"\_staging\_ is down"),
        ("workflows", r"\_staging\_ is down"),
        ("whapi", "*＿staging＿ is down*"),  # noqa: RUF001  # the lookalikes
        ("kook", r"**\_staging\_ is down**"),
        ("telegram", "<b>_staging_ is down</b>"),
        ("github", "_staging_ is down"),
    ],
)
def test_a_title_is_what_it_is_in_its_place(service: str, line: str) -> None:
    _, title, body = handed_over(service, sample_messages.message(title=TITLE, text="x"))
    assert line == (title or body.splitlines()[0])


def test_rocket_chat_gets_dates_and_links_without_backslashes() -> None:
    _, _, body = handed_over("rocketchat", sample_messages.message(ack_url="https://watch.example.org/ack/abc_def-ghi"))
    assert "Down since 2026-11-22 12:00:00 UTC." in body
    assert body.endswith("\nAcknowledge: https://watch.example.org/ack/abc_def-ghi")
