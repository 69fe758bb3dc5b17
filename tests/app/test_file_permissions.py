"""Files that other users of the machine can read are reported; private ones are not."""

from dataclasses import replace
from pathlib import Path

import pytest

from app import file_permissions
from app.settings import Settings


@pytest.fixture
def installed(settings: Settings, tmp_path: Path) -> Settings:
    """An installation whose directory others may enter, and whose files are its own."""
    data = tmp_path / "data"
    (data / "logs").mkdir(parents=True)
    data.chmod(0o701)
    (data / "logs").chmod(0o701)
    ours = replace(settings, db_type="sqlite", db_path=str(data / "watchkeeper.sqlite3"), log_file=None)
    names = ("watchkeeper.sqlite3", "watchkeeper.sqlite3-wal", "watchkeeper.sqlite3-shm", "secret.key")
    for name in (*names, "logs/watchkeeper.log"):
        (data / name).touch(mode=0o600)
    return ours


def named(settings: Settings) -> list[str]:
    return [Path(line.split(" is open")[0]).name for line in file_permissions.exposure_warnings(settings)]


@pytest.mark.parametrize(
    "name",
    [
        "watchkeeper.sqlite3",
        "watchkeeper.sqlite3-wal",
        "watchkeeper.sqlite3-shm",
        "secret.key",
        "logs/watchkeeper.log",
    ],
)
def test_a_file_that_others_can_read_is_named(installed: Settings, name: str) -> None:
    assert named(installed) == ["data"]
    (installed.data_dir / name).chmod(0o644)
    assert named(installed) == ["data", Path(name).name]


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o770])
def test_in_a_directory_that_others_can_not_enter_nothing_is_open(installed: Settings, mode: int) -> None:
    (installed.data_dir / "watchkeeper.sqlite3").chmod(0o644)
    installed.data_dir.chmod(mode)
    assert named(installed) == []


def test_a_missing_data_directory_causes_no_warning(settings: Settings, tmp_path: Path) -> None:
    assert file_permissions.exposure_warnings(replace(settings, data_dir=tmp_path / "none")) == []
