"""E-mail content for every mail provider: plain text, HTML and headers. Pure."""

import re
from html import escape

from actors.senders.kit.markup import html_markup
from app.domain.parsing.hosts import wire_mail_address
from app.domain.text.message_text import MessageText, Severity
from schema.message import Message

COLOURS = {
    Severity.CRITICAL: "#b3261e",
    Severity.RESOLVED: "#1e7a3c",
    Severity.WARNING: "#9a6b00",
    Severity.INFO: "#44546a",
}
HTML = html_markup()
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9.-]+")


def render_headers(message: Message, sender: str) -> dict[str, str]:
    """Headers with an id from the delivery and a thread from the incident, the same on every attempt.

    An outage, its reminders and its recovery reply to one message id that was never sent: mail programs show them as
    one thread, whichever of them arrived, and we store nothing for it.
    """
    headers = {
        "Message-ID": _message_id(message.delivery_id, sender),
        "Auto-Submitted": "auto-generated",  # RFC 3834: no automatic replies
    }
    if message.incident_id:
        root = _message_id(f"incident.{message.incident_id}", sender)
        headers |= {"In-Reply-To": root, "References": root}
    return headers


def render_text(content: MessageText, message: Message) -> str:
    """The plain text part."""
    return f"{content.title}\n\n{content.text}\n" + (f"\nAcknowledge: {message.ack_url}\n" if message.ack_url else "")


def render_html(content: MessageText, message: Message) -> str:
    """The HTML part; all content is escaped, and its addresses are links."""
    link = f'<p><a href="{escape(message.ack_url)}">Acknowledge</a></p>' if message.ack_url else ""
    return (
        '<!doctype html><html><body style="font-family:sans-serif">'
        f'<h2 style="color:{COLOURS[content.severity]}">{HTML.render(content.title)}</h2>'
        f"<p>{HTML.render(content.text)}</p>{link}</body></html>\n"
    )


def _message_id(name: str, sender: str) -> str:
    domain = _NOT_IN_IDS.sub("", wire_mail_address(sender).rpartition("@")[2]) or "watchkeeper"
    return f"<{_NOT_IN_IDS.sub('', name)}@{domain}>"
