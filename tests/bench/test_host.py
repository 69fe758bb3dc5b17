"""A figure reports the processor time that the host took away."""

from pathlib import Path

import pytest

from bench import host


def stat(ticks: str) -> str:
    """The beginning of /proc/stat."""
    return f"cpu  {ticks}\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


@pytest.mark.parametrize(
    ("after", "note"),
    [
        ("20 10 10 105 10 10 10 80 7 7", "the host took 40% of the CPU"),
        ("20 10 10 205 10 10 10 15 7 7", ""),  # 2.5 %
        ("10 10 10 10 10 10 10 10 7 7", ""),  # no time has passed
    ],
)
def test_the_share_of_all_time_that_was_stolen_meanwhile(tmp_path: Path, after: str, note: str) -> None:
    file = tmp_path / "stat"
    file.write_text(stat("10 10 10 10 10 10 10 10 7 7"))
    with host.watched(file) as theft:
        file.write_text(stat(after))
    assert theft.note == note


def test_without_kernel_statistics_no_stolen_time_is_reported(tmp_path: Path) -> None:
    with host.watched(tmp_path / "stat") as theft:
        pass
    assert theft.note == ""
