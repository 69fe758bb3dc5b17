"""What each provider shows of a message: its sender renders it, and a reader reads it by the provider's rules."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import ec

from actors.senders.kit.http import ProviderRequest
from actors.senders.kit.webpush_encryption import MessageKeys
from actors.senders.providers import (
    discord,
    google_chat,
    gotify,
    grafana_oncall,
    line,
    matrix,
    mattermost,
    ntfy,
    opsgenie,
    pagerduty,
    pagertree,
    pushbullet,
    pushover,
    sendgrid,
    signal,
    slack,
    smtp,
    teams,
    telegram,
    twilio,
    webhook,
    webpush,
    wecom,
    whatsapp,
)
from schema.message import Message
from tests.actors.senders import readers
from tests.actors.senders.readers import Shown
from tests.actors.senders.sample_messages import channel

URL = "https://provider.example"
MODULES = {
    "webhook": webhook,
    "slack": slack,
    "discord": discord,
    "telegram": telegram,
    "ntfy": ntfy,
    "gotify": gotify,
    "pushover": pushover,
    "matrix": matrix,
    "mattermost": mattermost,
    "teams": teams,
    "google_chat": google_chat,
    "signal": signal,
    "wecom": wecom,
    "whatsapp": whatsapp,
    "line": line,
    "pushbullet": pushbullet,
    "grafana_oncall": grafana_oncall,
    "opsgenie": opsgenie,
    "pagerduty": pagerduty,
    "pagertree": pagertree,
    "sendgrid": sendgrid,
    "twilio": twilio,
}


def body_of(provider: str, message: Message) -> Any:
    """The body of the first request of a provider that takes HTTP, decoded."""
    rendered = MODULES[provider].render(channel(provider, URL), message)
    request: ProviderRequest = rendered[0] if isinstance(rendered, list) else rendered
    if provider == "twilio":
        return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    return json.loads(request.body)


def mail_parts(message: Message) -> tuple[str, str, str]:
    """(subject, plain text, HTML) of an e-mail, as a mail program decodes them."""
    mail = smtp.render(channel("smtp", ""), message).message
    plain, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    return str(mail["Subject"]), plain, html


READERS: dict[str, Callable[[Any], list[Shown]]] = {
    "webhook": lambda body: [readers.plain(body["data"]["msg"])],
    "slack": lambda body: [readers.rich_text(body["blocks"][0])],
    "discord": lambda body: [readers.discord(f"{body['content']}\n{body['embeds'][0]['description']}")],
    "telegram": lambda body: [readers.html(body["text"])],
    "ntfy": lambda body: [readers.plain(f"{body['title']}\n{body['message']}")],
    "gotify": lambda body: [readers.plain(f"{body['title']}\n{body['message']}")],
    "pushover": lambda body: [readers.plain(f"{body['title']}\n{body['message']}")],
    "matrix": lambda body: [readers.plain(body["body"]), readers.html(body["formatted_body"])],
    "mattermost": lambda body: [
        readers.mattermost(f"{body['attachments'][0]['title']}\n{body['attachments'][0]['text']}"),
        _unparted(readers.plain(body["attachments"][0]["fallback"])),
    ],
    "teams": lambda body: [readers.card(body["attachments"][0]["content"])],
    "google_chat": lambda body: [
        readers.html(body["cardsV2"][0]["card"]["sections"][0]["widgets"][0]["textParagraph"]["text"]),
        readers.plain(body["fallbackText"]),
    ],
    "signal": lambda body: [readers.plain(body["message"])],
    "wecom": lambda body: [_unparted(readers.plain(body["text"]["content"]))],
    "whatsapp": lambda body: [readers.whatsapp(_unbold(body["text"]))],
    "line": lambda body: [readers.plain(body["messages"][0]["text"])],
    "pushbullet": lambda body: [readers.plain(f"{body['title']}\n{body['body']}")],
    "grafana_oncall": lambda body: [readers.plain(f"{body['title']}\n{body['message']}")],
    "opsgenie": lambda body: [readers.plain(body["description"])],
    "pagerduty": lambda body: [
        readers.plain(f"{body['payload']['summary']}\n{body['payload']['custom_details']['text']}")
    ],
    "pagertree": lambda body: [readers.plain(f"{body['Title']}\n{body['Description']}")],
    "sendgrid": lambda body: [
        readers.plain(body["content"][0]["value"].replace("\n\n", "\n").rstrip()),
        readers.html(body["content"][1]["value"].replace("</h2>", "</h2><br>").rstrip()),
    ],
    "twilio": lambda body: [readers.plain(body["Body"])],
}


def displays(provider: str, message: Message) -> list[Shown]:
    """Title and text as the provider shows them, a line end between them, in every form that it may choose."""
    if provider == "smtp":
        _, plain, html = mail_parts(message)
        return READERS["sendgrid"]({"content": [{"value": plain}, {"value": html}]})
    if provider == "webpush":
        payload = json.loads(webpush.payload_of(message))
        return [readers.plain(f"{payload['title']}\n{payload['body']}")]
    return READERS[provider](body_of(provider, message))


def _unparted(shown: Shown) -> Shown:
    return shown._replace(text=shown.text.replace("\u200b", ""))


def _unbold(text: str) -> str:
    """WhatsApp's bold title without its marks, which are not the title's."""
    title, _, rest = text.partition("\n")
    emoji, _, words = title.partition(" ")
    return f"{emoji} {words[1:-1]}\n{rest}" if words[:1] == words[-1:] == "*" else text


def webpush_size(message: Message) -> int:
    """Bytes of an encrypted push."""
    keys = MessageKeys(ec.generate_private_key(ec.SECP256R1()), bytes(16))
    return len(webpush.render(channel("webpush", URL), message, keys, 0).body)
