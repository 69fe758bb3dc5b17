"""Signal: a message by a signal-cli REST API, which responds 400 to every error.

One request for each recipient: a response to several does not say who got the message.
"""

import asyncio
from time import perf_counter

from actors.senders.kit.context import SenderContext
from actors.senders.kit.errors import DeliveryError
from actors.senders.kit.http import ProviderRequest, error_field, json_request, post
from actors.senders.kit.provider_errors import judge
from actors.senders.kit.retry_after import WAITS
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import truncate_keeping_link
from app.domain.text.message_text import compose_text
from schema.channels import Signal
from schema.message import Message

TEXT_LIMIT = 4_000  # characters; readers must expand a longer text
GROUP_PREFIX = "group."
PARTIAL_FAILURE = "Failed to send (some) messages"  # signal-cli: of a group, the other members have it
MAX_PARALLEL = 4  # requests; a recipient whose request hangs delays only its own
START_WITHIN_S = 6.0  # later recipients wait for the next attempt, so that no request is cut off by the time limit


async def send(config: Signal, message: Message, context: SenderContext) -> None:
    """Send to every recipient that does not have the message yet."""
    recipients = list(dict.fromkeys(config.recipients))
    began_s, slots = perf_counter(), asyncio.Semaphore(MAX_PARALLEL)

    async def send_one(recipient: str) -> None:
        async with slots:
            if perf_counter() - began_s < START_WITHIN_S:
                await _send_to(recipient, config, message, context)

    await asyncio.gather(*map(send_one, context.report.remaining(recipients)))
    context.report.conclude(recipients)


async def _send_to(recipient: str, config: Signal, message: Message, context: SenderContext) -> None:
    """Send to one recipient, and report how that went."""
    try:
        await post(render(config, message, recipient), context.http, error_field("error"), waits=WAITS["signal"])
    except DeliveryError as error:
        judge(error, Signal)
        if recipient.startswith(GROUP_PREFIX) and PARTIAL_FAILURE in error.reason:
            context.report.accept(recipient, error.reason)
        else:
            context.report.fail(recipient, error)
    else:
        context.report.accept(recipient)


def render(config: Signal, message: Message, recipient: str | None = None) -> ProviderRequest:
    """Render plain text; `normal` overrides the server's default.

    recipient    one of the config's; None: the first
    """
    content = compose_text(message)
    body = {
        "message": truncate_keeping_link(
            f"{EMOJI[content.severity]} {content.title}\n{content.text}", message.ack_url, TEXT_LIMIT
        ),
        "number": config.number,
        "recipients": [recipient or config.recipients[0]],
        "text_mode": "normal",
    }
    return json_request(f"{config.server_url.rstrip('/')}/v2/send", body)
