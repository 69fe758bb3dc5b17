"""Every event that opens an alarm has one that closes it."""

from collections import Counter

import pytest

from app.domain.alerting import alarms
from app.domain.alerting.alarms import ACKNOWLEDGING, ALARMS, CLOSING, NAMED_BY_WHAT, OPENING
from schema.events import EventKind

NO_ALARM = {
    *(EventKind.MONITOR_CREATED, EventKind.MONITOR_UPDATED, EventKind.MONITOR_DELETED),
    *(EventKind.MONITOR_PAUSED, EventKind.MONITOR_RESUMED),
    *(EventKind.MAINTENANCE_STARTED, EventKind.MAINTENANCE_ENDED),
    *(EventKind.BACKEND_RESTARTED, EventKind.DEPLOYMENT_STARTED),
    *(EventKind.LEADER_ELECTED, EventKind.REBALANCED, EventKind.TEST),
}


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_opens_acknowledges_or_closes_or_is_no_alarm(kind: EventKind) -> None:
    roles = [kind in OPENING, kind in CLOSING, kind in ACKNOWLEDGING, kind in NO_ALARM]
    assert sum(roles) == 1


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_is_opened_and_closed(name: str) -> None:
    assert ALARMS[name].opened_by
    assert ALARMS[name].closed_by


def test_an_event_opens_one_alarm() -> None:
    assert max(Counter(kind for alarm in ALARMS.values() for kind in alarm.opened_by).values()) == 1


@pytest.mark.parametrize("name", ALARMS)
def test_the_events_that_open_an_alarm_are_found_from_those_that_close_it(name: str) -> None:
    for kind in ALARMS[name].closed_by:
        found = alarms.opening_kinds(kind, name)
        assert set(found) == set(ALARMS[name].opened_by)


@pytest.mark.parametrize("kind", sorted(NAMED_BY_WHAT))
@pytest.mark.parametrize("what", ["", "outage", "coffee"])
def test_an_end_of_nothing_known_closes_nothing(kind: EventKind, what: str) -> None:
    assert alarms.opening_kinds(kind, what) == []
