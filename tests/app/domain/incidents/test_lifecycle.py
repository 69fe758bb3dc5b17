"""Which incidents an event opens or resolves, and which events follow."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.clock import epoch_ms
from app.domain.incidents.lifecycle import IncidentChanges, OutageState, changes_from
from schema.events import Event, EventKind
from schema.incidents import EntryKind

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
WEB = {"id": "1", "name": "web", "type": "http"}
DOWN, UP = EventKind.MONITOR_DOWN, EventKind.MONITOR_UP
OPENED, RESOLVED = EventKind.INCIDENT_OPENED, EventKind.INCIDENT_RESOLVED


def event(kind: EventKind, minute: int, monitor_id: str = "1", **data: Any) -> Event:
    payload = {"monitor": {**WEB, "id": monitor_id}, "msg": "refused", "started_at": AT, **data}
    return Event(
        id=f"{kind}{minute}", event=kind, at=AT + timedelta(minutes=minute), monitor_id=monitor_id, data=payload
    )


def outage(**changes: Any) -> OutageState:
    facts = {
        "id": "i",
        "monitor_id": "1",
        "title": "web is down",
        "started_ms": epoch_ms(AT),
        "detected_ms": epoch_ms(AT),
    }
    return OutageState(**{**facts, **changes})


def kinds(done: IncidentChanges) -> list[EventKind]:
    return [one.event for one in done.events]


def test_an_outage_begins_with_its_first_failing_check() -> None:
    done = changes_from([event(DOWN, 3)], [])
    (opened,) = done.opened.values()
    assert (opened.title, opened.started_ms) == ("web is down", epoch_ms(AT))
    assert opened.detected_ms == epoch_ms(AT) + 180_000
    assert [(line.kind, line.text) for line in done.entries] == [(EntryKind.DETECTED, "refused")]
    assert kinds(done) == [DOWN, OPENED]
    assert [one.data["incident"]["id"] for one in done.events] == [opened.id] * 2
    assert "reminder" not in done.events[0].data


def test_a_recovery_resolves_what_is_open() -> None:
    done = changes_from([event(UP, 10)], [outage()])
    assert [(one.id, one.resolved_ms) for one in done.resolved.values()] == [("i", epoch_ms(AT) + 600_000)]
    assert [(line.kind, line.text) for line in done.entries] == [(EntryKind.RESOLVED, "It was down for 10 min.")]
    assert kinds(done) == [UP, RESOLVED]


def test_down_up_and_down_in_one_batch_are_two_incidents_of_which_one_is_over() -> None:
    later = AT + timedelta(minutes=3)
    done = changes_from([event(DOWN, 1), event(UP, 2), event(DOWN, 3, started_at=later)], [])
    assert kinds(done) == [DOWN, OPENED, UP, RESOLVED, DOWN, OPENED]
    assert [one.resolved_ms is None for one in done.opened.values()] == [False, True]
    assert done.resolved == {}


def test_a_reminder_is_marked_as_one() -> None:
    done = changes_from([event(DOWN, 5)], [outage()])
    assert (kinds(done), done.opened, done.entries) == ([DOWN], {}, [])
    assert (done.events[0].data["reminder"], done.events[0].data["incident"]) == (True, {"id": "i"})


def test_a_reminder_of_an_acknowledged_incident_is_not_sent() -> None:
    assert changes_from([event(DOWN, 5)], [outage(is_acknowledged=True)]).events == []
    assert kinds(changes_from([event(UP, 5)], [outage(is_acknowledged=True)])) == [UP, RESOLVED]


def test_a_recovery_after_a_pause_names_the_incident_that_the_pause_resolved() -> None:
    over = outage(resolved_ms=epoch_ms(AT) + 1)
    (change,) = changes_from([event(UP, 10)], [over]).events
    assert change.data["incident"] == {"id": "i"}
    (alone,) = changes_from([event(UP, 10, started_at=AT + timedelta(minutes=1))], [over]).events
    assert "incident" not in alone.data


def test_other_monitors_and_other_events_are_left_alone() -> None:
    unrelated = [event(EventKind.MONITOR_DEGRADED, 1), event(UP, 2, monitor_id="2"), event(EventKind.SCHEDULE_LAG, 3)]
    assert changes_from(unrelated, [outage()]).events == unrelated
