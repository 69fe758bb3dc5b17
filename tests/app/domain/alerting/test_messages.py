"""Messages made of stored events."""

from datetime import timedelta
from typing import Any

import msgspec

from app.domain.alerting.messages import message_from_event
from schema.events import Event, EventKind
from schema.message import MessageMonitor
from schema.status import Status
from tests.actors.senders.sample_messages import AT


def event(**data: Any) -> Event:
    return Event(id="e1", event=EventKind.MONITOR_UP, at=AT, monitor_id="m1", data=data)


def test_every_fact_of_an_event_reaches_its_message() -> None:
    began = AT - timedelta(seconds=192)
    message = message_from_event(
        event(
            monitor={"id": "m1", "name": "Shop", "type": "http"},
            status=1,
            msg="200 OK",
            started_at=began.isoformat(),
            duration=192.0,
            ping=12.34567,
        ),
        "d1",
    )
    assert (message.delivery_id, message.event, message.at) == ("d1", EventKind.MONITOR_UP, AT)
    assert message.monitor == MessageMonitor(id="m1", name="Shop", type="http")
    assert (message.status, message.msg, message.started_at) == (Status.UP, "200 OK", began)
    assert (message.duration_s, message.ping_ms, message.test) == (192, 12.346, False)


def test_an_event_that_was_stored_gives_the_same_message() -> None:
    recovery = event(
        monitor={"id": "m1", "name": "Shop", "type": "http"}, status=Status.UP, started_at=AT, duration=1.5
    )
    stored = msgspec.json.decode(msgspec.json.encode(recovery), type=Event)
    assert message_from_event(stored, "d1") == message_from_event(recovery, "d1")


def test_an_event_without_facts_makes_a_message_without_facts() -> None:
    message = message_from_event(event(), "d1")
    assert (message.monitor, message.status, message.started_at, message.duration_s) == (None, None, None, None)


def test_a_test_event_makes_a_test_message() -> None:
    assert message_from_event(Event(id="e1", event=EventKind.TEST, at=AT), "d1").test


def test_a_deployment_status_is_not_a_monitor_status() -> None:
    deployed = Event(id="e1", event=EventKind.DEPLOYMENT_FAILED, at=AT, data={"status": "failed"})
    assert message_from_event(deployed, "d1").status is None
    assert message_from_event(deployed, "d1").facts == {"status": "failed"}
