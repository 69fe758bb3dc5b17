import os
import subprocess
import sys

import pytest

from bench import processes


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (["python", "-m", "app.cli", "up"], "parent"),
        (["python", "-m", "app.cli", "api"], "api"),
        (["python", "/somewhere/bin/watchkeeper", "schedule"], "scheduler"),
        (["python", "-m", "app.cli", "work"], "worker"),
        (["/somewhere/valkey-server", "unixsocket:0"], "valkey"),
        (["python", "-c", "from multiprocessing.spawn import spawn_main"], ""),
        ([], ""),
    ],
)
def test_a_command_line_names_its_part(words, role):
    assert processes.role_of(words) == role


def test_processes_are_found_by_their_marker_and_use_cpu():
    environ = {**os.environ, processes.MARK: "test-mark-of-this-test"}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=environ, stdin=subprocess.PIPE) as child:
        try:
            found = processes.of("test-mark-of-this-test")
            assert [one.pid for one in found] == [child.pid]
            assert processes.cost(found).pss_bytes > 0
        finally:
            child.kill()
    assert processes.of("test-mark-of-this-test") == []
