"""The templates that a channel may keep."""

import asyncio

from msgspec import UNSET, UnsetType

from app.domain.text import templates
from app.errors import Invalid
from schema.channels.terms import Templates


async def refuse_faulty(wanted: Templates | UnsetType) -> None:
    """Raise Invalid for templates that can't be used. In a thread: the first one loads what reads them."""
    if wanted is UNSET or wanted == Templates():
        return
    if wrong := await asyncio.to_thread(templates.faults, wanted):
        raise Invalid(wrong)
