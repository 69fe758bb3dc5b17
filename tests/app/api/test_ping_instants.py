"""The instants of pings: each its own, and none of a clock that was ahead."""

import pytest

from app import clock
from app.api.monitoring.push_ingest import MAX_AHEAD_MS, PushEndpoint
from app.errors import TooMany
from tests import make


def test_a_clock_that_is_put_back_refuses_no_ping() -> None:
    address = PushEndpoint(make.snapshot(), clock.now_ms() + 3_600_000)
    assert address.next_ms() <= clock.now_ms() + MAX_AHEAD_MS


def test_more_than_a_thousand_pings_a_second_are_refused() -> None:
    address = PushEndpoint(make.snapshot(), 0)
    with pytest.raises(TooMany):
        [address.next_ms() for _ in range(100 * MAX_AHEAD_MS)]
