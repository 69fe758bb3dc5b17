"""Channels of type telegram."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import Secret
from schema.targets import Url


class Telegram(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="telegram"):
    """A message from a Telegram bot."""

    bot_token: Secret
    chat_id: Annotated[str, Meta(min_length=1, max_length=64)]
    message_thread_id: int | None = None
    silent: bool = False
    protect_content: bool = False
    server_url: Url = "https://api.telegram.org"
