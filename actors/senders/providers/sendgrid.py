"""SendGrid: e-mail by the Mail Send API, v3."""

from collections.abc import Iterable

from actors.senders.kit import email_body
from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, json_request, post
from actors.senders.kit.retry_after import WAITS, json_object
from app.domain.text.message_text import compose_text
from schema.channels import Sendgrid
from schema.message import Message


async def send(config: Sendgrid, message: Message, context: SenderContext) -> None:
    """POST the e-mail; 202 means that it is queued."""
    await post(render(config, message), context.http, _explain, waits=WAITS["sendgrid"])


def render(config: Sendgrid, message: Message) -> ProviderRequest:
    """Render the e-mail. Tracking is off: links must not lead through a third party."""
    content = compose_text(message, with_link=False)
    body: dict[str, object] = {
        "personalizations": [_recipients(config)],
        "from": {"email": config.sender.strip()},
        "subject": content.title,
        "content": [
            {"type": "text/plain", "value": email_body.render_text(content, message)},
            {"type": "text/html", "value": email_body.render_html(content, message)},
        ],
        "headers": email_body.render_headers(message, config.sender),
        "custom_args": {"delivery_id": message.delivery_id, "event": str(message.event)},
        "tracking_settings": {"click_tracking": {"enable": False}, "open_tracking": {"enable": False}},
    }
    return json_request(
        f"{config.server_url.rstrip('/')}/v3/mail/send", body, {"Authorization": f"Bearer {config.api_key}"}
    )


def _recipients(config: Sendgrid) -> dict[str, object]:
    """Each recipient once over to, cc and bcc: SendGrid rejects duplicates."""
    used = set[str]()
    found = {kind: list(_unique(getattr(config, kind), used)) for kind in ("to", "cc", "bcc")}
    return {kind: [{"email": one} for one in addresses] for kind, addresses in found.items() if addresses}


def _unique(addresses: Iterable[str], used: set[str]) -> Iterable[str]:
    for address in (one.strip() for one in addresses):
        if address.lower() not in used:
            used.add(address.lower())
            yield address


def _explain(body: bytes) -> str:
    """The messages of all errors; an error may also be a plain string."""
    errors = json_object(body).get("errors")
    texts = [one.get("message") if isinstance(one, dict) else one for one in errors] if isinstance(errors, list) else []
    return "; ".join(one for one in texts if isinstance(one, str))
