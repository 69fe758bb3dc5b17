"""What is packed comes back as it was, in few bytes."""

from random import Random

import pytest
from hypothesis import given, strategies as st

from app.domain.history.completeness import SchedulePeriod
from app.domain.history.rollup_codec import pack_tally, unpack_tally
from app.domain.history.uptime import STATUSES, Tally, TimedBeat, tally_beats
from schema.status import Status

HOUR_MS = 3_600_000

numbers = st.lists(st.integers(0, 90_000_000), min_size=STATUSES, max_size=STATUSES).map(tuple)
few = st.lists(st.sampled_from([0, 0, 0, 1, 180, HOUR_MS]), min_size=STATUSES, max_size=STATUSES).map(tuple)
sketches = st.dictionaries(st.integers(0, 300), st.integers(1, 20_000), max_size=40)


@st.composite
def tallies(draw):
    sketch = draw(sketches)
    counts, ms = draw(few | numbers), draw(few | numbers)
    return Tally(counts, ms, draw(st.integers(0, 2**40)) if sketch else 0, sketch)


@given(tallies())
def test_a_tally_survives_packing(one):
    assert unpack_tally(pack_tally(one, HOUR_MS), HOUR_MS) == one


@given(st.integers(1, 720), st.integers(0, 5), st.integers(0, 400_000))
def test_a_tally_of_heartbeats_survives_packing(count, status, took_us):
    step = HOUR_MS // count
    one = tally_beats(
        [TimedBeat(at * step, status, took_us) for at in range(count)], [SchedulePeriod(0, step)], range(HOUR_MS)
    )
    assert unpack_tally(pack_tally(one, HOUR_MS), HOUR_MS) == one


@pytest.mark.parametrize(("interval_ms", "most"), [(20_000, 22), (60_000, 17), (5_000, 32)])
def test_an_hour_of_a_usual_monitor_is_a_few_bytes(interval_ms, most):
    dice = Random(1)
    sizes = []
    for _ in range(100):
        beats = [
            TimedBeat(at, Status.UP, int(80_000 * dice.lognormvariate(0, 0.3))) for at in range(0, HOUR_MS, interval_ms)
        ]
        sizes.append(len(pack_tally(tally_beats(beats, [SchedulePeriod(0, interval_ms)], range(HOUR_MS)), HOUR_MS)))
    assert sum(sizes) / len(sizes) <= most
