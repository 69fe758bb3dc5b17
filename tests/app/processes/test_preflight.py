"""Before the start, every obstacle is reported on one line."""

import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from app.processes import preflight
from app.settings import BadSettings, Settings


def test_a_free_port_and_a_writable_directory_are_all_it_needs(settings: Settings) -> None:
    os.close(preflight.check(settings))
    assert settings.data_dir.is_dir()


def test_a_directory_that_it_makes_is_for_its_owner_only(settings: Settings) -> None:
    os.close(preflight.check(settings))
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700


def test_a_busy_port_is_named(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", settings.server_port)):
        with pytest.raises(BadSettings) as caught:
            preflight.check(settings)
        assert caught.value.lines == [
            f"SERVER_PORT: can't listen on 127.0.0.1:{settings.server_port}: Address already in use"
        ]


def test_a_directory_that_can_not_be_written_to_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadSettings, match=r"DATA_DIR: .*/file/data can't be written to: Not a directory"):
        preflight.check(replace(settings, data_dir=tmp_path / "file" / "data"))


def test_all_obstacles_are_reported_at_once(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with socket.create_server(("127.0.0.1", settings.server_port)), pytest.raises(BadSettings) as caught:
        preflight.check(replace(settings, data_dir=tmp_path / "file"))
    assert [line.partition(":")[0] for line in caught.value.lines] == ["DATA_DIR", "SERVER_PORT"]


def test_a_second_parent_on_the_same_directory_is_refused_with_the_first_ones_pid(settings: Settings) -> None:
    lock = preflight.check(settings)
    with pytest.raises(BadSettings, match=f"in use by another Watchkeeper, process {os.getpid()}"):
        preflight.check(settings)
    os.close(lock)
    os.close(preflight.check(settings))
