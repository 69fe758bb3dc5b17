"""WeCom: a message to a group's robot. Its answers are 200, and a code in the body says what became of the message."""

import msgspec
from msgspec import Struct

from actors.senders.kit.context import Tools
from actors.senders.kit.http import Request, Verdict, by_status, json_request, post
from actors.senders.kit.retry_after import json_of
from actors.senders.kit.severity import EMOJI
from actors.senders.kit.text_limits import fitted_to_link, utf8
from app.domain.text.message_text import words_of
from schema.channels import Wecom
from schema.message import Message

TEXT_LIMIT = 2_048  # bytes, WeCom's
BUSY = frozenset({-1, 6_000, 45_009, 45_011, 45_033})  # busy, conflict, too often, too fast, too many at once


class _Result(Struct, frozen=True):
    errcode: int
    errmsg: str = ""


async def send(config: Wecom, message: Message, tools: Tools) -> None:
    """POST the message."""
    await post(render(config, message), tools.http, _explain, _judge)


def render(config: Wecom, message: Message) -> Request:
    """A `text`: it knows no markup, and mentions only whom a list of its own names."""
    words = words_of(message)
    text = f"{EMOJI[words.mood]} {words.title}\n{words.text}".replace("<@", "< @")
    content = fitted_to_link(text, message.ack_url, TEXT_LIMIT, utf8)
    return json_request(config.webhook_url, {"msgtype": "text", "text": {"content": content}})


def _judge(status: int, body: bytes) -> Verdict:
    """A 200 without a code is not WeCom's: somebody in between said so, and nothing is confirmed."""
    verdict, result = by_status(status), _result_in(body)
    if verdict is not Verdict.TAKEN:
        return verdict
    if result is None or result.errcode in BUSY:
        return Verdict.LATER
    return Verdict.NEVER if result.errcode else Verdict.TAKEN


def _explain(body: bytes) -> str:
    result = _result_in(body)
    return f"{result.errcode} {result.errmsg}" if result else "no result of WeCom's"


def _result_in(body: bytes) -> _Result | None:
    try:
        return msgspec.convert(json_of(body), _Result)
    except msgspec.ValidationError:
        return None
