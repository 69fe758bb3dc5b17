"""What e-mail says, whoever carries it: text, HTML, and the headers of a machine's letter. Pure."""

import re
from html import escape

from app.domain.text.message_text import MessageText, Severity
from schema.message import Message

COLOURS = {
    Severity.CRITICAL: "#b3261e",
    Severity.RESOLVED: "#1e7a3c",
    Severity.WARNING: "#9a6b00",
    Severity.INFO: "#44546a",
}
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9.-]+")


def render_headers(message: Message, sender: str) -> dict[str, str]:
    """The letter's id comes from the delivery, its thread from the incident: every attempt sends the same ones.

    An outage, its reminders and its end answer one letter that nobody sent: mail programs show them as one thread,
    whichever of them arrived, and without anything remembered here.
    """
    headers = {
        "Message-ID": _message_id(message.delivery_id, sender),
        "Auto-Submitted": "auto-generated",  # RFC 3834: holiday notices stay away
    }
    if message.incident_id:
        root = _message_id(f"incident.{message.incident_id}", sender)
        headers |= {"In-Reply-To": root, "References": root}
    return headers


def render_text(content: MessageText, message: Message) -> str:
    """The letter as plain text."""
    return f"{content.title}\n\n{content.text}\n" + (f"\nAcknowledge: {message.ack_url}\n" if message.ack_url else "")


def render_html(content: MessageText, message: Message) -> str:
    """The letter as HTML; everything that came from outside is escaped."""
    lines = "<br>".join(escape(line) for line in content.text.split("\n"))
    link = f'<p><a href="{escape(message.ack_url)}">Acknowledge</a></p>' if message.ack_url else ""
    return (
        '<!doctype html><html><body style="font-family:sans-serif">'
        f'<h2 style="color:{COLOURS[content.severity]}">{escape(content.title)}</h2>'
        f"<p>{lines}</p>{link}</body></html>\n"
    )


def _message_id(name: str, sender: str) -> str:
    domain = _NOT_IN_IDS.sub("", sender.rpartition("@")[2]) or "watchkeeper"
    return f"<{_NOT_IN_IDS.sub('', name)}@{domain}>"
