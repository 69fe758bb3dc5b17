"""Every provider shows times in the channel's zone; whatever programs read is the same in every zone."""

from contextlib import suppress
from urllib.parse import unquote_plus

import pytest

from actors.senders import DeliveryError, send
from actors.senders.kit.context import SenderContext
from actors.senders.providers import apprise, smtp, webpush
from schema.channels import Apprise
from schema.message import Message
from tests.actors.senders import sample_messages
from tests.actors.senders.sample_messages import HTTP_PROVIDERS, channel
from tests.receiver import Receiver

LOCAL, IN_UTC = "13:00:00 CET", "12:00:00 UTC"


def in_berlin() -> Message:
    return sample_messages.message(timezone="Europe/Berlin")


async def requests(provider: str, message: Message, receiver: Receiver, context: SenderContext) -> list[str]:
    """The bodies that the provider receives. Its answer is of no interest."""
    receiver.arrivals.clear()
    with suppress(DeliveryError):
        await send(channel(provider, receiver.url), message, context)
    return [unquote_plus(arrival.body.decode()) for arrival in receiver.arrivals]


@pytest.mark.parametrize("provider", sorted({*HTTP_PROVIDERS} - {"webhook", "webpush"}))
async def test_a_provider_shows_local_times_and_nothing_else_changes(
    provider: str, receiver: Receiver, context: SenderContext
) -> None:
    local = await requests(provider, in_berlin(), receiver, context)
    usual = await requests(provider, sample_messages.message(), receiver, context)
    assert any(LOCAL in body for body in local)
    assert not any(IN_UTC in body for body in local)
    assert [body.replace(LOCAL, IN_UTC) for body in local] == usual


async def test_a_webhook_is_the_same_in_every_zone(receiver: Receiver, context: SenderContext) -> None:
    bodies = [
        await requests("webhook", message, receiver, context) for message in (in_berlin(), sample_messages.message())
    ]
    assert bodies[0] == bodies[1]
    assert '"timestamp":"2026-11-22T12:00:00Z"' in bodies[0][0]


def test_a_browser_shows_local_times() -> None:
    local, usual = webpush.payload_of(in_berlin()).decode(), webpush.payload_of(sample_messages.message()).decode()
    assert LOCAL in local
    assert local.replace(LOCAL, IN_UTC) == usual


def test_an_email_shows_local_times_and_keeps_its_date() -> None:
    local, usual = (
        smtp.render(sample_messages.smtp(25), one).message for one in (in_berlin(), sample_messages.message())
    )
    assert local["Date"] == usual["Date"]
    for part in local.iter_parts():
        assert LOCAL in part.get_content()
        assert IN_UTC not in part.get_content()


def test_a_service_of_apprise_shows_local_times() -> None:
    request = apprise.render(Apprise(url="json://127.0.0.1/"), in_berlin())
    assert len(request.renderings) == 3
    for rendering in request.renderings.values():
        assert LOCAL in rendering.text
        assert IN_UTC not in rendering.text
