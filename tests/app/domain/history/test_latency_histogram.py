"""Percentiles from buckets: close to the truth, whatever the order in which they were merged."""

import pytest
from hypothesis import given, strategies as st

from app.domain.history import latency_histogram

latencies = st.lists(st.integers(1, 600_000_000), min_size=1, max_size=200)


def sketch_of(took_us):
    sketch: latency_histogram.Sketch = {}
    for one in took_us:
        latency_histogram.merge_sketch(sketch, {latency_histogram.bucket_of(one): 1})
    return sketch


@given(st.integers(1, 600_000_000))
def test_a_latency_is_kept_within_the_error(took_us):
    stored_us = latency_histogram.latency_us(latency_histogram.bucket_of(took_us))
    assert stored_us == pytest.approx(took_us, rel=latency_histogram.RELATIVE_ERROR + 1e-6)


@given(latencies, st.floats(0, 1))
def test_a_percentile_is_within_the_error_of_the_true_one(took_us, share):
    true = sorted(took_us)[int(share * (len(took_us) - 1))]
    assert latency_histogram.percentile_us(sketch_of(took_us), share) == pytest.approx(
        true, rel=latency_histogram.RELATIVE_ERROR + 1e-6
    )


@given(latencies, st.integers(0, 200))
def test_parts_merge_to_the_whole(took_us, cut):
    whole = sketch_of(took_us[:cut])
    latency_histogram.merge_sketch(whole, sketch_of(took_us[cut:]))
    assert whole == sketch_of(took_us)


def test_an_empty_histogram_has_no_percentiles():
    assert latency_histogram.percentile_us({}, 0.5) is None


def test_the_least_and_the_greatest_are_the_ends():
    sketch = sketch_of([1_000, 5_000, 90_000])
    assert latency_histogram.percentile_us(sketch, 0) == pytest.approx(1_000, rel=latency_histogram.RELATIVE_ERROR)
    assert latency_histogram.percentile_us(sketch, 1) == pytest.approx(90_000, rel=latency_histogram.RELATIVE_ERROR)


@pytest.mark.parametrize("took_us", [-5, 0, 1])
def test_no_time_at_all_is_the_first_bucket(took_us):
    assert latency_histogram.bucket_of(took_us) == 0
