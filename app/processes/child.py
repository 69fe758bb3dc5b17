"""A process under supervision: start, exit, and when it may start again. Imports almost nothing."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import app

STEADY_S = 2.0  # a process that ran this long restarts at once, another one after a growing pause
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
KILLED_PAUSE_S = 1.0  # the longest after kill -9, which comes from outside and says nothing about the next start
PR_SET_PDEATHSIG = 1  # prctl(2)


def own_command(*arguments: str) -> list[str]:
    """The command line of one of our own commands."""
    return [sys.executable, "-P", "-m", "app.cli", *arguments]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of our processes: this code on the path, and malloc without an arena per thread."""
    root = str(Path(app.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [root, environ.get("PYTHONPATH", "")]))
    return {"MALLOC_ARENA_MAX": "2", **environ, "PYTHONPATH": path}


def _end_with_parent() -> Callable[[], None] | None:
    """Have Linux kill the child when its parent ends; to be called between fork and exec."""
    if not sys.platform.startswith("linux"):
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def request_kill() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return request_kill


class ChildProcess:
    """A named process. `output` is a descriptor for its output; None: the terminal."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], output: int | None) -> None:
        self.name = name
        self.due_at = 0.0  # monotonic seconds: when it may start
        self.process: subprocess.Popen[bytes] | None = None
        self._command, self._environ, self._output = command, environ, output
        self._started_at, self._pause_s = 0.0, 0.0
        self.exit_code = 0  # of its last run, as in `subprocess`

    def start(self) -> int:
        """Start it and return its pid. It has its own session, so that Ctrl-C reaches only the parent."""
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  # our own commands and the bundled Valkey
            self._command,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  # the parent has one thread
        )
        return self.process.pid

    def poll_exit(self) -> str | None:
        """How it ended, if it did, as text; it is then due again after its pause."""
        if self.process is None or self.process.poll() is None:
            return None
        code, self.process = self.process.returncode, None
        self.exit_code = code
        steady = time.monotonic() - self._started_at >= STEADY_S
        if steady:
            self._pause_s, self.due_at = 0.0, time.monotonic()
        else:
            self.delay_start(KILLED_PAUSE_S if code == -signal.SIGKILL else LONGEST_PAUSE_S)
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def delay_start(self, longest_s: float = LONGEST_PAUSE_S) -> None:
        """Delay the next start by a growing pause."""
        self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), longest_s)
        self.due_at = time.monotonic() + self._pause_s

    def is_due(self) -> bool:
        """Whether it is not running and may start."""
        return self.process is None and time.monotonic() >= self.due_at

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still running."""
        if self.process is not None:
            self.process.send_signal(number)

    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self.process is not None and self.process.poll() is None
