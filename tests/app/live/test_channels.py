import re

import pytest

from app.errors import Forbidden, Invalid
from app.live import channels
from schema.status import Role
from tests import make
from tests.app.live.listeners import ONE


@pytest.mark.parametrize(
    ("channel", "source"),
    [("heartbeats", "heartbeats"), (f"monitor:{ONE}", "heartbeats"), ("events", "events")],
)
def test_every_channel_has_a_source_and_a_role(channel: str, source: str) -> None:
    assert channels.kind_of(channel).source == source
    assert channels.allowed_channels(make.principal(), [channel, channel]) == ([channel], [])


@pytest.mark.parametrize(
    "channel", ["", "nonsense", "monitor:", "monitor:*", "heartbeats ", "events\n", "monitor:" + "g" * 36]
)
def test_an_unknown_channel_is_refused_with_the_known_ones(channel: str) -> None:
    with pytest.raises(Invalid) as refusal:
        channels.kind_of(channel)
    (field,) = refusal.value.fields
    assert field.field == "channels"
    assert field.message.endswith("The channels are: heartbeats, monitor:<id>, events, incidents.")


def test_a_channel_that_needs_more_is_refused_to_less() -> None:
    logs = channels.ChannelKind(
        label="logs", pattern=re.compile("logs"), source="events", min_role=Role.OPERATOR, scopes=("logs:read",)
    )
    both, known = ["logs", "events"], (*channels.CHANNEL_KINDS, logs)
    assert channels.allowed_channels(make.principal(role=Role.OPERATOR), both, known) == (both, [])
    found, (refusal,) = channels.allowed_channels(make.principal(), both, known)
    assert (found, type(refusal)) == (["events"], Forbidden)
    assert refusal.details == {"channel": "logs", "needs": "operator"}


def test_every_source_declares_its_backlog() -> None:
    assert {feed.source for feed in channels.CHANNEL_KINDS} <= set(channels.SOURCES)
