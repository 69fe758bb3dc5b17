"""Channels of type telegram."""

from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import ProxyId, Secret
from schema.targets import Url


class Telegram(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="telegram"):
    """A message from a Telegram bot."""

    bot_token: Secret
    chat_id: Annotated[str, Meta(min_length=1, max_length=64, description="Id of the chat, or `@channel`.")]
    message_thread_id: Annotated[int | None, Meta(description="Id of a topic in a group. null: none.")] = None
    silent: Annotated[bool, Meta(description="Send without a sound. Default: false.")] = False
    protect_content: Annotated[bool, Meta(description="Prevent forwarding and saving. Default: false.")] = False
    server_url: Url = "https://api.telegram.org"
    proxy_id: ProxyId = ""
