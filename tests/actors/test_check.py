"""Outcomes that may change an alert are flushed at once; the others wait for a batch."""

import msgspec
import pytest

from actors import check
from actors.check import ChangeDetector
from schema.monitors import Snapshot
from schema.status import Status
from schema.targets import Tcp

SNAPSHOT = Snapshot(
    series=1, version=1, monitor_id="m", name="n", target=Tcp(host="h", port=1), interval_ms=20_000,
    timeout_ms=5_000, retry_ms=20_000, max_retries=0, resend_interval=0, upside_down=False,
)  # fmt: skip
UP, DOWN, UNKNOWN, DEGRADED = Status.UP, Status.DOWN, Status.UNKNOWN, Status.DEGRADED


@pytest.mark.parametrize(
    ("retries", "statuses", "hurried"),
    [
        (0, [UP, UP, UP], []),
        (0, [DOWN, DOWN, DOWN, UP, UP], [0, 3]),
        (2, [DOWN, DOWN, DOWN, DOWN, DOWN], [0, 1, 2]),
        (1, [DOWN, UP, DOWN, DOWN, DOWN], [0, 1, 2, 3]),
        (0, [DEGRADED, DEGRADED, DOWN, DOWN, DEGRADED, UP], [0, 2, 4, 5]),
        (0, [UNKNOWN, UNKNOWN, DOWN, UP], [0, 2, 3]),
    ],
)
def test_a_change_and_each_retry_is_urgent(retries: int, statuses: list[Status], hurried: list[int]) -> None:
    detector, snapshot = ChangeDetector(), msgspec.structs.replace(SNAPSHOT, max_retries=retries)
    assert [no for no, one in enumerate(statuses) if detector.is_urgent(one, snapshot)] == hurried


def test_each_series_has_its_own_urgency() -> None:
    detector = ChangeDetector()
    assert detector.is_urgent(DOWN, SNAPSHOT)
    assert detector.is_urgent(DOWN, msgspec.structs.replace(SNAPSHOT, series=2))
    assert not detector.is_urgent(DOWN, SNAPSHOT)


def test_the_number_of_tracked_series_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_SERIES", 2)
    detector = ChangeDetector()
    assert all(detector.is_urgent(DOWN, msgspec.structs.replace(SNAPSHOT, series=no)) for no in range(5))
    assert detector.is_urgent(DOWN, SNAPSHOT), "forgotten, so it hurries once more"
