"""The templates that a channel may keep."""

import asyncio

from msgspec import UNSET, UnsetType

from app.domain.text import templates
from app.errors import Invalid
from schema.channels.terms import Templates


async def validate_templates(new_templates: Templates | UnsetType) -> None:
    """Raise Invalid for templates that can't be used. In a thread: the first one loads what reads them."""
    if new_templates is UNSET or new_templates == Templates():
        return
    if wrong := await asyncio.to_thread(templates.errors_in, new_templates):
        raise Invalid(wrong)
