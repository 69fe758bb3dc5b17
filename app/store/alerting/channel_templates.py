"""Validation of a channel's message templates, and the events that they do not fit."""

import asyncio

import msgspec
from msgspec import UNSET, UnsetType

from app.domain.text import templates
from app.errors import Invalid
from schema.channels import Channel
from schema.channels.rules import Templates


async def validate_templates(new_templates: Templates | UnsetType) -> None:
    """Raise Invalid for templates with errors. Runs in a thread: the first call loads the template library."""
    if new_templates is UNSET or new_templates == Templates():
        return
    if errors := await asyncio.to_thread(templates.errors_in, new_templates):
        raise Invalid(errors)


async def with_warnings(channel: Channel) -> Channel:
    """The channel with `template_warnings` for its events. Runs in a thread: it renders a sample of each event."""
    if channel.templates == Templates():
        return channel
    warnings = await asyncio.to_thread(templates.event_warnings, channel.templates, channel.events)
    return msgspec.structs.replace(channel, template_warnings=warnings)
