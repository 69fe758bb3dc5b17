"""Pushbullet: a push to a user's devices or a channel's subscribers."""

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.text_limits import truncate
from app.domain.text.message_text import compose_text
from schema.channels import Pushbullet
from schema.message import Message

TEXT_LIMIT = 4_000  # characters; Pushbullet documents no limit


async def send(config: Pushbullet, message: Message, context: SenderContext) -> None:
    """Create the push."""
    await post(render(config, message), context.http, error_field("error", "message"), waits=WAITS["pushbullet"])


def render(config: Pushbullet, message: Message) -> ProviderRequest:
    """Render a note or a link. `guid` is the delivery: a second attempt returns the first one's push."""
    content = compose_text(message, with_link=False)
    body: dict[str, object] = {
        "type": "link" if message.ack_url else "note",
        "title": content.title,
        "body": truncate(content.text, TEXT_LIMIT),
        "guid": message.delivery_id,
    }
    body |= {"url": message.ack_url} if message.ack_url else {}
    body |= {"device_iden": config.device_iden} if config.device_iden else {}
    body |= {"channel_tag": config.channel_tag} if config.channel_tag else {}
    return json_request(f"{config.server_url.rstrip('/')}/v2/pushes", body, {"Access-Token": config.access_token})
