"""Examples of events."""

import msgspec
import pytest

from app.domain.alerting import sample_events
from app.domain.alerting.messages import message_from_event
from schema.events import EventKind


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_event_has_an_example_that_makes_a_message(kind: EventKind) -> None:
    event = sample_events.sample_event(kind)
    assert event.event is kind
    assert msgspec.json.decode(msgspec.json.encode(event.data)) == event.data  # as it is stored
    assert message_from_event(event, "1").facts == event.data


def test_the_backend_that_is_down_is_the_documented_one() -> None:
    assert sample_events.sample_event(EventKind.BACKEND_DOWN).data == {
        "backend": "app-1",
        "error": "Health check failed",
    }


def test_an_example_is_the_caller_s_own() -> None:
    sample_events.sample_event(EventKind.MONITOR_DOWN).data["monitor"]["name"] = "changed"
    assert sample_events.sample_event(EventKind.MONITOR_DOWN).data["monitor"]["name"] == "Shop"
