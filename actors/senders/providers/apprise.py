"""Apprise: services that have no sender of their own, told by a process in a cage. Its requests come out here."""

from actors.apprise_sandbox.protocol import Done, Order
from actors.senders.kit.context import Tools
from actors.senders.kit.errors import Undelivered
from actors.senders.kit.sandbox_requests import Errands
from app.domain.alerting import apprise_urls
from app.domain.text.message_text import Mood, words_of
from schema.channels import Apprise
from schema.message import Message

MOODS = {Mood.BAD: "failure", Mood.GOOD: "success", Mood.WARNING: "warning", Mood.NEUTRAL: "info"}


async def send(config: Apprise, message: Message, tools: Tools) -> None:
    """Have the service tell it, and judge by its requests what became of it."""
    errands = Errands(tools.http)
    settle(await tools.cages.carry_out(render(config, message), errands.run), errands)


def render(config: Apprise, message: Message) -> Order:
    """The order. Raises Undelivered for a service that is in no catalogue any more."""
    service, words = apprise_urls.service(config), words_of(message)
    if service is None:
        raise Undelivered("this version knows no such service", permanent=True)
    return Order(service.module, apprise_urls.url_of(config), words.title, words.text, MOODS[words.mood])


def settle(done: Done, errands: Errands) -> None:
    """Return when the service took the message.

    raises    Undelivered: by the request that failed last; without one, by what Apprise says
    """
    if errands.refused:
        raise Undelivered(errands.refused, permanent=True)
    if done.sent and errands.made:
        return
    if not done.fault and done.targets != 1:
        raise Undelivered(_too_many(done.targets), permanent=True)
    if errands.failed:
        raise errands.failed.undelivered(_said(done))
    if errands.made:  # the service refused in the words of a success: who knows for how long
        raise Undelivered(f"the service did not take it{_said(done)}")
    raise Undelivered(f"{done.fault or 'the service sent nothing'}{_said(done)}", permanent=True)


def _too_many(targets: int) -> str:
    """Why one address must be one message: when some have it and some don't, nobody can send it again."""
    if not targets:
        return "the address names nobody to tell"
    return f"the address stands for {targets} messages: make a channel for each, so that none is told twice"


def _said(done: Done) -> str:
    """Apprise's last words, and what the cage held back."""
    said = f": {done.said[-1]}" if done.said else ""
    return f"{said} (held back: {', '.join(done.held)})" if done.held else said
