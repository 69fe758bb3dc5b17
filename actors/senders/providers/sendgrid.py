"""SendGrid: e-mail by the Mail Send API, v3."""

import re
from collections.abc import Collection, Iterator
from http import HTTPStatus

from actors.senders.kit import email_body
from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.mail_headers import encode_text
from actors.senders.kit.retry_after import WAITS, json_object
from app.domain.parsing.mailboxes import MailAddress, parse_mailbox
from app.domain.text.message_text import compose_text
from schema.channels import Sendgrid
from schema.message import Message

Personalizations = list[dict[str, list[dict[str, str]]]]

_RECIPIENT_FIELD = re.compile(r"personalizations\.(\d+)\.(to|cc|bcc)\.(\d+)(?:\.email)?")


async def send(config: Sendgrid, message: Message, context: SenderContext) -> None:
    """POST the e-mail; 202 means that it is queued. Recipients that SendGrid refuses by name keep no others from it."""
    recipients = [mailbox.wire_address for _, mailbox in _mailboxes(config)]
    while waiting := context.report.remaining(recipients):
        try:
            await post(render(config, message, waiting), context.http, _explain, waits=WAITS["sendgrid"])
        except DeliveryError as error:
            refused = refused_recipients(error, _personalizations(config, waiting))
            if not refused:
                raise
            for address, reason in refused.items():
                context.report.fail(address, DeliveryError(reason, permanent=True, channel_level=True))
        else:
            for address in waiting:
                context.report.accept(address)
    context.report.conclude(recipients)


def render(config: Sendgrid, message: Message, recipients: Collection[str] | None = None) -> ProviderRequest:
    """Render the e-mail. Tracking is off: links must not lead through a third party.

    recipients    None: all
    """
    content, sender = compose_text(message, with_link=False), parse_mailbox(config.sender)
    own_headers = {name: encode_text(value) for name, value in config.headers.items()}
    body: dict[str, object] = {
        "personalizations": _personalizations(config, recipients),
        "from": _person(sender),
        "subject": content.title,
        "content": [
            {"type": "text/plain", "value": email_body.render_text(content, message)},
            {"type": "text/html", "value": email_body.render_html(content, message)},
        ],
        "headers": email_body.render_headers(message, sender.wire_address) | own_headers,
        "custom_args": {"delivery_id": message.delivery_id, "event": str(message.event)},
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }
    body |= {"reply_to": _person(parse_mailbox(config.reply_to))} if config.reply_to else {}
    return json_request(
        f"{config.server_url.rstrip('/')}/v3/mail/send", body, {"Authorization": f"Bearer {config.api_key}"}
    )


def refused_recipients(error: DeliveryError, sent: Personalizations) -> dict[str, str]:
    """The recipients whose addresses SendGrid refused in a 400, with the reasons. Nobody has got the e-mail then."""
    refused = {}
    is_about_fields = error.response is not None and error.response.status == HTTPStatus.BAD_REQUEST
    errors = json_object(error.response.body).get("errors") if error.response and is_about_fields else None
    for one in errors if isinstance(errors, list) else []:
        field = _RECIPIENT_FIELD.fullmatch(str(one.get("field"))) if isinstance(one, dict) else None
        try:
            address = sent[int(field[1])][field[2]][int(field[3])]["email"] if field else ""
        except (IndexError, KeyError):
            continue
        if address:
            refused[address] = f"{error.reason.partition(':')[0]}: {one.get('message')}"
    return refused


def _personalizations(config: Sendgrid, recipients: Collection[str] | None) -> Personalizations:
    """One for all. Each needs a `to`: the cc take the place of missing ones; a bcc alone gets an e-mail of its own."""
    kinds: dict[str, list[dict[str, str]]] = {}
    for kind, mailbox in _mailboxes(config):
        if recipients is None or mailbox.wire_address in recipients:
            kinds.setdefault(kind, []).append(_person(mailbox))
    if "to" not in kinds and "cc" not in kinds:
        return [{"to": [one]} for one in kinds.get("bcc", [])]
    return [kinds if "to" in kinds else {"to": kinds.pop("cc"), **kinds}]


def _mailboxes(config: Sendgrid) -> Iterator[tuple[str, MailAddress]]:
    """Each recipient once over to, cc and bcc, with its kind: SendGrid rejects duplicates."""
    used = set[str]()
    for kind, texts in (("to", config.to), ("cc", config.cc), ("bcc", config.bcc)):
        for mailbox in map(parse_mailbox, texts):
            if mailbox.wire_address.lower() not in used:
                used.add(mailbox.wire_address.lower())
                yield kind, mailbox


def _person(mailbox: MailAddress) -> dict[str, str]:
    return {"email": mailbox.wire_address} | ({"name": mailbox.name} if mailbox.name else {})


def _explain(body: bytes) -> str:
    """The messages of all errors; an error may also be a plain string."""
    errors = json_object(body).get("errors")
    texts = [one.get("message") if isinstance(one, dict) else one for one in errors] if isinstance(errors, list) else []
    return "; ".join(one for one in texts if isinstance(one, str))
