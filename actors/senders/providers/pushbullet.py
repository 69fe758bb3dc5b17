"""Pushbullet: a push to somebody's devices, or to a channel's subscribers."""

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, field_of, json_request, post
from actors.senders.kit.text_limits import fitted
from app.domain.text.message_text import words_of
from schema.channels import Pushbullet
from schema.message import Message

TEXT_LIMIT = 4_000  # characters; Pushbullet names no limit


async def send(config: Pushbullet, message: Message, tools: Tools) -> None:
    """Create the push."""
    await post(render(config, message), tools.http, field_of("error", "message"))


def render(config: Pushbullet, message: Message) -> Request:
    """A note, or a link when there is one; `guid` is the delivery: a second attempt returns the first one's push."""
    words = words_of(message, with_link=False)
    body: dict[str, object] = {
        "type": "link" if message.ack_url else "note",
        "title": words.title,
        "body": fitted(words.text, TEXT_LIMIT),
        "guid": message.delivery_id,
    }
    body |= {"url": message.ack_url} if message.ack_url else {}
    body |= {"device_iden": config.device_iden} if config.device_iden else {}
    body |= {"channel_tag": config.channel_tag} if config.channel_tag else {}
    return json_request(f"{config.server_url.rstrip('/')}/v2/pushes", body, {"Access-Token": config.access_token})
