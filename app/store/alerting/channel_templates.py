"""Validation of a channel's message templates."""

import asyncio

from msgspec import UNSET, UnsetType

from app.domain.text import templates
from app.errors import Invalid
from schema.channels.rules import Templates


async def validate_templates(new_templates: Templates | UnsetType) -> None:
    """Raise Invalid for templates with errors. Runs in a thread: the first call loads the template library."""
    if new_templates is UNSET or new_templates == Templates():
        return
    if errors := await asyncio.to_thread(templates.errors_in, new_templates):
        raise Invalid(errors)
