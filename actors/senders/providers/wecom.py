"""WeCom: a message to a group's robot. It always responds 200; a code in the body is the result."""

import msgspec
from msgspec import Struct

from actors.senders.kit.context import SenderContext
from actors.senders.kit.http import ProviderRequest, ResponseMeaning, interpret_status, json_request, post
from actors.senders.kit.markup import ZERO_WIDTH_SPACE, Markup
from actors.senders.kit.retry_after import WAITS, json_object
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link, utf8_bytes
from app.domain.text.message_text import compose_text
from schema.channels import Wecom
from schema.message import Message

TEXT_LIMIT = 2_048  # bytes; WeCom's limit
MARKUP = Markup(lambda words: words.replace("<@", f"<{ZERO_WIDTH_SPACE}@"))  # `<@name>` mentions


class _WecomResult(Struct, frozen=True):
    errcode: int
    errmsg: str = ""


async def send(config: Wecom, message: Message, context: SenderContext) -> None:
    """POST the message."""
    await post(render(config, message), context.http, _explain, _interpret, waits=WAITS["wecom"])


def render(config: Wecom, message: Message) -> ProviderRequest:
    """Render a `text`: it has no markup, and mentions only members of its own list."""
    content = compose_text(message)
    text = MARKUP.render(f"{EMOJI[content.severity]} {content.title}\n{content.text}")
    shortened = truncate_keeping_link(text, message.ack_url, TEXT_LIMIT, utf8_bytes)
    return json_request(config.webhook_url, {"msgtype": "text", "text": {"content": shortened}})


def _interpret(status: int, body: bytes) -> ResponseMeaning:
    """A 200 without a code comes from a proxy, not WeCom: the delivery is not confirmed."""
    meaning, result = interpret_status(status), _parse_result(body)
    if meaning is not ResponseMeaning.ACCEPTED:
        return meaning
    if result is None:
        return ResponseMeaning.RETRY
    return ResponseMeaning.REJECTED if result.errcode else ResponseMeaning.ACCEPTED


def _explain(body: bytes) -> str:
    result = _parse_result(body)
    return f"{result.errcode} {result.errmsg}" if result else "no result of WeCom's"


def _parse_result(body: bytes) -> _WecomResult | None:
    try:
        return msgspec.convert(json_object(body), _WecomResult)
    except msgspec.ValidationError:
        return None
