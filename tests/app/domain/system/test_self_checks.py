"""What counts as trouble of our own, and how many looks it takes."""

import pytest
from msgspec.structs import replace

from app.domain.system.self_checks import BLINDING, HEALTH, LOOKS, Patience, Signs, troubles_of
from schema.events import EventKind

WELL = {"workers": 2, "free": 50_000_000_000, "size": 100_000_000_000}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"lag_s": 30.0}, []),
        ({"lag_s": 30.1}, [EventKind.SCHEDULE_LAG]),
        ({"queue": "check", "queue_s": 61}, [EventKind.QUEUE_LAG]),
        ({"workers": 0}, [EventKind.NO_WORKER]),
        ({"lost": 1}, [EventKind.RESULTS_LOST]),
        ({"stale": 1}, [EventKind.RESULTS_LOST]),
        ({"waiting_s": 5.0}, []),
        ({"waiting_s": 5.1}, [EventKind.RESULTS_LOST]),
        ({"stale": 3, "workers": 0}, [EventKind.NO_WORKER]),
        ({"overdue_s": 30.0}, []),
        ({"overdue_s": 30.1}, [EventKind.ALERTS_STUCK]),
        ({"free": 4_000_000_000}, [EventKind.DISK_FULL]),
        ({"free": 150_000_000, "size": 1_000_000_000}, [EventKind.DISK_FULL]),
        ({"cut_off": ("worker-a-1",)}, [EventKind.NETWORK_GONE]),
        ({"jumps": (("worker-a-1", -3600.0),)}, [EventKind.CLOCK]),
        ({"ahead": "12 monitors were due in the future"}, [EventKind.CLOCK]),
        ({"workers": 0, "lag_s": 90}, [EventKind.SCHEDULE_LAG, EventKind.NO_WORKER]),
    ],
)
def test_what_is_wrong(changes, kinds):
    assert list(troubles_of(Signs(**{**WELL, **changes}))) == kinds


def test_every_trouble_is_said_in_a_sentence():
    well = Signs(queue="check", size=1_000_000_000_000, free=1_000_000_000_000)
    found = troubles_of(
        replace(well, lag_s=99, queue_s=99, workers=0, free=0, cut_off=("a",), jumps=(("a", 9.0),), overdue_s=99)
    ) | troubles_of(replace(well, lost=2, stale=3, waiting_s=99))
    assert len(found) == 8
    assert all(" " in sentence and "{" not in sentence for sentence in found.values())
    assert found[EventKind.RESULTS_LOST] == (
        "results of checks do not arrive: 2 checks brought none, 3 monitors have had none for two intervals,"
        " a worker's oldest has waited for 99 s"
    )


def test_whatever_blinds_the_watch_is_among_the_checks_of_health():
    assert {*HEALTH, EventKind.NO_WORKER} >= BLINDING


def test_a_trouble_begins_when_it_was_seen_often_enough_in_a_row():
    patience, found = Patience(), {EventKind.NO_WORKER: "none"}
    looks = [patience.weighed(found, {})[0] for _ in range(LOOKS)]
    assert looks == [[]] * (LOOKS - 1) + [[EventKind.NO_WORKER]]


def test_a_look_that_finds_nothing_begins_the_count_anew():
    patience, found = Patience(), {EventKind.NO_WORKER: "none"}
    for _ in range(3):
        assert patience.weighed(found, {}) == ([], [])
        assert patience.weighed({}, {}) == ([], [])


def test_it_ends_when_it_was_missed_often_enough_in_a_row():
    patience, lasting = Patience(), {EventKind.NO_WORKER: 1}
    looks = [patience.weighed({}, lasting)[1] for _ in range(LOOKS)]
    assert looks == [[]] * (LOOKS - 1) + [[EventKind.NO_WORKER]]


def test_what_lasts_does_not_begin_again():
    patience, found = Patience(), {EventKind.NO_WORKER: "none"}
    assert [patience.weighed(found, {EventKind.NO_WORKER: 1}) for _ in range(5)] == [([], [])] * 5
