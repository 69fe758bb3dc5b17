"""Processes that only sleep, in the place of workers that are stopped and killed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from app import process_watch
from app.domain.system import process_identity
from app.domain.system.process_identity import ProcessIdentity


class Nap:
    """A running process, and its identity."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        started = process_watch.read_process(process.pid).started
        assert started is not None
        self.identity = process_identity.encode(ProcessIdentity(process_watch.host_fingerprint(), process.pid, started))

    def stop(self) -> None:
        """Stop it, as SIGSTOP or a frozen machine does; returns once it has stopped."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def kill(self, *, reap: bool = False) -> None:
        """Kill it; returns once it has ended.

        reap  also take its exit code, as its parent does; otherwise it stays a zombie
        """
        self._process.kill()
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        if reap:
            self._process.wait()


@contextmanager
def napping() -> Iterator[Nap]:
    """A process that sleeps until the block ends."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield Nap(process)
        process.kill()
