"""Which conditions count as our own trouble, and how many checks confirm one."""

import pytest
from msgspec.structs import replace

from app.domain.system.self_checks import ALERTING_BLOCKED, CONFIRMATIONS, HEALTH_CHECKS, Debouncer, Vitals, problems_in
from schema.events import EventKind

WELL = {"workers": 2, "free_bytes": 50_000_000_000, "disk_bytes": 100_000_000_000}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"lag_s": 30.0}, []),
        ({"lag_s": 30.1}, [EventKind.SCHEDULE_LAG]),
        ({"queue": "check", "queue_age_s": 61}, [EventKind.QUEUE_LAG]),
        ({"workers": 0}, [EventKind.NO_WORKER]),
        ({"lost_slots": 1}, [EventKind.RESULTS_LOST]),
        ({"stale_monitors": 1}, [EventKind.RESULTS_LOST]),
        ({"result_wait_s": 5.0}, []),
        ({"result_wait_s": 5.1}, [EventKind.RESULTS_LOST]),
        ({"stale_monitors": 3, "workers": 0}, [EventKind.NO_WORKER]),
        ({"alert_overdue_s": 30.0}, []),
        ({"alert_overdue_s": 30.1}, [EventKind.ALERTS_STUCK]),
        ({"free_bytes": 4_000_000_000}, [EventKind.DISK_FULL]),
        ({"free_bytes": 150_000_000, "disk_bytes": 1_000_000_000}, [EventKind.DISK_FULL]),
        ({"offline_workers": ("worker-a-1",)}, [EventKind.NETWORK_GONE]),
        ({"clock_jumps": (("worker-a-1", -3600.0),)}, [EventKind.CLOCK]),
        ({"future_instants": "12 monitors were due in the future"}, [EventKind.CLOCK]),
        ({"workers": 0, "lag_s": 90}, [EventKind.SCHEDULE_LAG, EventKind.NO_WORKER]),
    ],
)
def test_vitals_beyond_their_limits_are_problems(changes, kinds):
    assert list(problems_in(Vitals(**{**WELL, **changes}))) == kinds


def test_every_trouble_has_a_sentence():
    well = Vitals(queue="check", disk_bytes=1_000_000_000_000, free_bytes=1_000_000_000_000)
    found = problems_in(
        replace(
            well,
            lag_s=99,
            queue_age_s=99,
            workers=0,
            free_bytes=0,
            offline_workers=("a",),
            clock_jumps=(("a", 9.0),),
            alert_overdue_s=99,
        )
    ) | problems_in(replace(well, lost_slots=2, stale_monitors=3, result_wait_s=99))
    assert len(found) == 8
    assert all(" " in sentence and "{" not in sentence for sentence in found.values())
    assert found[EventKind.RESULTS_LOST] == (
        "results of checks are missing: 2 checks had none, 3 monitors have had none for two intervals,"
        " a worker's oldest has been waiting for 99 s"
    )


def test_every_problem_that_blocks_alerting_has_a_health_check():
    assert {*HEALTH_CHECKS, EventKind.NO_WORKER} >= ALERTING_BLOCKED


def test_a_trouble_begins_when_it_was_seen_often_enough_in_a_row():
    debouncer, found = Debouncer(), {EventKind.NO_WORKER: "none"}
    looks = [debouncer.update(found, {})[0] for _ in range(CONFIRMATIONS)]
    assert looks == [[]] * (CONFIRMATIONS - 1) + [[EventKind.NO_WORKER]]


def test_a_look_that_finds_nothing_begins_the_count_anew():
    debouncer, found = Debouncer(), {EventKind.NO_WORKER: "none"}
    for _ in range(3):
        assert debouncer.update(found, {}) == ([], [])
        assert debouncer.update({}, {}) == ([], [])


def test_an_alert_closes_after_enough_checks_in_a_row_without_the_problem():
    debouncer, lasting = Debouncer(), {EventKind.NO_WORKER: 1}
    looks = [debouncer.update({}, lasting)[1] for _ in range(CONFIRMATIONS)]
    assert looks == [[]] * (CONFIRMATIONS - 1) + [[EventKind.NO_WORKER]]


def test_a_lasting_problem_opens_no_second_alert():
    debouncer, found = Debouncer(), {EventKind.NO_WORKER: "none"}
    assert [debouncer.update(found, {EventKind.NO_WORKER: 1}) for _ in range(5)] == [([], [])] * 5
