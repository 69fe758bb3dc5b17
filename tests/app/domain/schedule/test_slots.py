"""The grid of due times: the same everywhere, evenly spread, without holes."""

import pytest
from hypothesis import given, strategies as st

from app.domain.schedule import slots
from schema.jobs import MonitorSchedule

series = st.integers(1, 2**22 - 1)
intervals = st.integers(5, 2_678_400).map(lambda seconds: seconds * 1_000)
instants = st.integers(1_577_836_800_000, 3_700_000_000_000)


@given(series, intervals)
def test_a_phase_lies_inside_the_interval(no, interval_ms):
    assert 0 <= slots.phase_ms(no, interval_ms) < interval_ms


@given(series, intervals, instants)
def test_the_next_slot_is_the_first_one_later_than_the_instant(no, interval_ms, after_ms):
    slot = slots.next_slot(no, interval_ms, after_ms)
    assert after_ms < slot <= after_ms + interval_ms
    assert slot % interval_ms == slots.phase_ms(no, interval_ms)


@given(series, intervals, instants, st.integers(0, 500))
def test_slots_between_are_what_walking_from_slot_to_slot_gives(no, interval_ms, from_ms, tenths):
    to_ms = from_ms + interval_ms * tenths // 10
    walked, slot = [], slots.next_slot(no, interval_ms, from_ms - 1)
    while slot < to_ms:
        walked.append(slot)
        slot = slots.next_slot(no, interval_ms, slot)
    assert list(slots.slots_between(no, interval_ms, from_ms, to_ms)) == walked


@pytest.mark.parametrize("many", [10, 1_000, 10_000])
def test_no_tenth_of_the_interval_gets_more_than_its_share_and_a_little(many):
    tenths = [slots.phase_ms(no, 20_000) // 2_000 for no in range(1, many + 1)]
    assert max(tenths.count(tenth) for tenth in range(10)) <= many / 10 + 3


def test_phases_never_change_since_stored_history_stands_on_them():
    assert [slots.phase_ms(no, 60_000) for no in (1, 2, 3, 1_000)] == [37_082, 14_164, 51_246, 2_039]


def rhythm(interval_ms=0, cron=""):
    return MonitorSchedule(7, interval_ms, 5_000, 1, cron, "Europe/Berlin")


@given(intervals, instants)
def test_an_interval_and_its_rhythm_are_the_same(interval_ms, after_ms):
    assert slots.next_due(7, rhythm(interval_ms), after_ms) == slots.next_slot(7, interval_ms, after_ms)
    assert slots.is_due(7, rhythm(interval_ms), slots.next_slot(7, interval_ms, after_ms))
    assert not slots.is_due(7, rhythm(interval_ms), slots.next_slot(7, interval_ms, after_ms) + 1)


def test_on_demand_nothing_is_ever_due():
    assert not slots.is_scheduled(rhythm())
    assert slots.next_due(7, rhythm(), 0) is None
    assert list(slots.due_between(7, rhythm(), 0, 10**12)) == []


@given(instants, st.integers(1, 20))
def test_a_list_of_cron_slots_begins_with_the_newest_and_has_as_many_to_come(now_ms, count):
    newest, *upcoming = slots.upcoming_slots(rhythm(cron="*/5 * * * *"), now_ms, count)
    assert newest <= now_ms < upcoming[0]
    assert upcoming == [newest + 300_000 * number for number in range(1, count + 1)]
