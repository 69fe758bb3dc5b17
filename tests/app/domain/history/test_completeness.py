"""Which slots are missing and which heartbeats lie where no slot was."""

import pytest
from hypothesis import given, strategies as st

from app.domain.history.completeness import Beat, Gap, Review, SchedulePeriod, review_series
from app.domain.schedule.slots import due_between, slots_between

SERIES = 7
START = 1_700_000_000_000
STEP = 10_000
END = START + 100 * STEP
WINDOW = range(START, END)
PERIODS = [SchedulePeriod(START - STEP, STEP)]
SLOTS = list(slots_between(SERIES, STEP, START, END))


def beats_of(slots, *, early=False):
    return [Beat(slot, early) for slot in slots]


def kinds(reviewed):
    return [flaw.kind for flaw in reviewed.errors]


def test_a_history_with_every_slot_has_no_flaws():
    whole = review_series(SERIES, PERIODS, [], beats_of(SLOTS), WINDOW)
    assert (whole.slots, whole.gaps, whole.errors) == (100, 0, [])


def test_a_slot_without_heartbeat_is_missing_and_named():
    flawed = review_series(SERIES, PERIODS, [], beats_of(SLOTS[:40] + SLOTS[41:]), WINDOW)
    assert [(flaw.series, flaw.at_ms, flaw.kind) for flaw in flawed.errors] == [(SERIES, SLOTS[40], "missing")]


def test_a_recorded_gap_excuses_its_slots_both_ends_included():
    gap = Gap(SLOTS[10], SLOTS[20])
    excused = review_series(SERIES, PERIODS, [gap], beats_of(SLOTS[:10] + SLOTS[21:]), WINDOW)
    assert (excused.gaps, excused.errors) == (11, [])


def test_a_heartbeat_inside_a_gap_is_fine():
    assert not review_series(SERIES, PERIODS, [Gap(SLOTS[10], SLOTS[20])], beats_of(SLOTS), WINDOW).errors


def test_gaps_that_overlap_excuse_together():
    gaps = [Gap(SLOTS[30], SLOTS[31]), Gap(SLOTS[10], SLOTS[20]), Gap(SLOTS[12], SLOTS[13]), Gap(SLOTS[20], SLOTS[30])]
    assert not review_series(SERIES, PERIODS, gaps, beats_of(SLOTS[:10] + SLOTS[32:]), WINDOW).errors


def test_an_early_heartbeat_may_lie_anywhere_and_any_other_off_the_grid_is_doubled():
    beats = beats_of(SLOTS)
    assert not review_series(SERIES, PERIODS, [], [*beats, Beat(SLOTS[5] + 4_000, early=True)], WINDOW).errors
    assert kinds(review_series(SERIES, PERIODS, [], [*beats, Beat(SLOTS[5] + 4_000, early=False)], WINDOW)) == [
        "doubled"
    ]


@pytest.mark.parametrize("paused_at", [START + 20 * STEP, START + 20 * STEP + 5_000])
def test_no_slot_is_due_while_paused_and_heartbeats_then_count_as_doubled(paused_at):
    periods = [*PERIODS, SchedulePeriod(paused_at, 0), SchedulePeriod(paused_at + 30 * STEP, STEP)]
    due = [slot for slot in SLOTS if not paused_at <= slot < paused_at + 30 * STEP]
    assert not review_series(SERIES, periods, [], beats_of(due), WINDOW).errors
    assert set(kinds(review_series(SERIES, periods, [], beats_of(SLOTS), WINDOW))) == {"doubled"}


def test_another_interval_has_another_grid_from_the_edit_on():
    edit = START + 50 * STEP
    periods = [*PERIODS, SchedulePeriod(edit, 3 * STEP)]
    before = list(slots_between(SERIES, STEP, START, edit))
    after = list(slots_between(SERIES, 3 * STEP, edit, END))
    assert not review_series(SERIES, periods, [], beats_of(before + after), WINDOW).errors
    assert kinds(review_series(SERIES, periods, [], beats_of(before), WINDOW)) == ["missing"] * len(after)


@pytest.mark.parametrize("offset", [-1_999, 0, 1_999])
def test_close_to_an_edit_both_grids_are_right_and_neither_is_required(offset):
    edit = SLOTS[50] + offset
    periods = [*PERIODS, SchedulePeriod(edit, 0)]
    for slots in (SLOTS[:51], SLOTS[:50]):
        assert not review_series(SERIES, periods, [], beats_of(slots), WINDOW).errors


def test_before_the_first_period_nothing_is_due_and_a_heartbeat_is_doubled():
    periods = [SchedulePeriod(SLOTS[50] + 4_000, STEP)]
    assert not review_series(SERIES, periods, [], beats_of(SLOTS[51:]), WINDOW).errors
    assert kinds(review_series(SERIES, periods, [], beats_of(SLOTS[49:]), WINDOW)) == ["doubled", "doubled"]


@given(st.sets(st.sampled_from(SLOTS)), st.sets(st.integers(START, END - 1)), st.integers(0, 100))
def test_every_hole_and_every_stray_is_counted_however_the_history_is_cut_in_parts(holes, strays, cut):
    strays -= set(SLOTS)
    beats = beats_of([slot for slot in SLOTS if slot not in holes]) + beats_of(sorted(strays))
    parts = [range(START, START + cut * STEP), range(START + cut * STEP, END)]
    found = [
        flaw
        for part in parts
        for flaw in review_series(SERIES, PERIODS, [], [b for b in beats if b.at_ms in part], part).errors
    ]
    assert {flaw.at_ms for flaw in found if flaw.kind == "missing"} == holes
    assert {flaw.at_ms for flaw in found if flaw.kind == "doubled"} == strays


NIGHTLY = SchedulePeriod(START - STEP, 0, "0 3 * * *", "Europe/Berlin")
WEEK = range(START, START + 7 * 86_400_000)
NIGHTS = list(due_between(SERIES, NIGHTLY, WEEK.start, WEEK.stop))


def test_cron_slots_are_counted_like_any_others():
    whole = review_series(SERIES, [NIGHTLY], [], beats_of(NIGHTS), WEEK)
    assert (whole.slots, whole.errors) == (7, [])
    holed = review_series(SERIES, [NIGHTLY], [Gap(NIGHTS[5], NIGHTS[5])], beats_of(NIGHTS[:2] + NIGHTS[3:5]), WEEK)
    assert (holed.gaps, [flaw.at_ms for flaw in holed.errors]) == (1, [NIGHTS[2], NIGHTS[6]])


def test_a_heartbeat_between_cron_slots_is_doubled_unless_it_is_early():
    stray = NIGHTS[2] + 60_000
    assert kinds(review_series(SERIES, [NIGHTLY], [], beats_of([*NIGHTS, stray]), WEEK)) == ["doubled"]
    assert not review_series(SERIES, [NIGHTLY], [], [*beats_of(NIGHTS), Beat(stray, early=True)], WEEK).errors


def test_on_demand_nothing_is_due_and_requested_checks_are_early():
    periods = [SchedulePeriod(START - STEP, 0)]
    assert review_series(SERIES, periods, [], [Beat(SLOTS[3] + 1, early=True)], WINDOW) == Review(0, 0, [])
