"""`watchkeeper up`: the parent of Valkey, api, scheduler and worker. Starts, restarts and stops them in order.

It imports almost nothing and only waits, so it needs little more memory than a Python interpreter.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping

from app import embedded_valkey, file_permissions, log_file, setup_token
from app.processes import child, preflight
from app.processes.child import ChildProcess
from app.settings import BadSettings, Settings, socket_path

TRY_AGAIN_EXIT = 75  # EX_TEMPFAIL of sysexits.h: the database was unavailable
POLL_S = 1.0  # at most; a signal, such as SIGCHLD, wakes the supervisor at once
STARTUP_POLL_S = 0.05  # until the API is ready
SECOND_SIGNAL_S = 1.0  # a second Ctrl-C kills the processes if it comes later than this
GRACE_S = 30.0  # longer than a worker needs to drain
PROCESSES = (("api", "api"), ("scheduler", "schedule"), ("worker", "work"))  # name and command


def run(settings: Settings, environ: Mapping[str, str], *, verbose: bool) -> int:
    """Supervise until SIGINT or SIGTERM.

    verbose  children write to the terminal, not to the log file
    returns  an exit code
    raises   BadSettings
    """
    lock = preflight.check(settings)
    try:
        return Supervisor(settings, environ, verbose=verbose).run()
    finally:
        os.close(lock)


def print_line(name: str, text: str) -> None:
    """Print one line to the terminal."""
    try:
        print(f"{name:<10} {text}", flush=True)
    except BrokenPipeError:  # a closed terminal must not end the supervision
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # the disk is full, or the terminal is gone
        pass


class Supervisor:
    """The processes, and whether to stop them."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, verbose: bool) -> None:
        self._settings = settings
        self._stop_at = 0.0  # monotonic seconds of the first signal to stop
        self._kill_now = False
        self._ready = False
        self._started_at = time.monotonic()
        self._log = settings.log_file or settings.data_dir / "logs" / "watchkeeper.log"
        self._output = None if verbose else self._open_log()
        self._environ = child.environment(environ if verbose else {**environ, "LOG_FILE": str(self._log)})
        self._valkey = self._valkey_child() if settings.redis_embedded else None
        self._processes = [self._child(name, command) for name, command in PROCESSES]
        self._wake = self._listen_to_signals()

    def run(self) -> int:
        """Start everything, watch it, stop everything."""
        try:
            code = self._migrate()
            if code == 0:
                print_line("logs", "here" if self._output is None else str(self._log))
                for line in file_permissions.exposure_warnings(self._settings):
                    print_line("warning", line)
                self._watch()
        finally:
            self._stop()
        return code

    def _child(self, name: str, command: str) -> ChildProcess:
        return ChildProcess(name, child.own_command(command), self._environ, self._output)

    def _valkey_child(self) -> ChildProcess:
        listen, directory = socket_path(self._settings.redis_url), self._settings.data_dir / "valkey"
        try:
            embedded_valkey.prepare_directories(directory, listen)
            self._valkey_recovery = embedded_valkey.DataRecovery(directory, listen)
            return ChildProcess("valkey", embedded_valkey.build_command(directory, listen), self._environ, self._output)
        except OSError as error:
            raise BadSettings([f"DATA_DIR: {error.filename} can't be used: {error.strerror}"]) from error
        except embedded_valkey.ValkeyNotFound as error:
            raise BadSettings([f"REDIS_HOST: {error}"]) from error

    def _open_log(self) -> int:
        try:
            return log_file.open_log(self._log)
        except OSError as error:
            raise BadSettings([f"LOG_FILE: {self._log} can't be written to: {error.strerror}"]) from error

    def _reopen_log(self) -> None:
        """Reopen the log file for children when it was rotated or deleted."""
        if self._output is None or log_file.is_same_file(self._output, self._log):
            return
        try:
            reopened = log_file.open_log(self._log)
        except OSError as error:
            print_line("logs", f"{self._log} can't be written to: {error.strerror}")
            return
        os.dup2(reopened, self._output, inheritable=False)
        os.close(reopened)

    def _listen_to_signals(self) -> socket.socket:
        """Signals become bytes on a socket, so that none is missed between two polls."""
        wake, writer = socket.socketpair()
        wake.setblocking(False)
        writer.setblocking(False)
        self._wake_writer = writer  # stays open as long as this object
        signal.set_wakeup_fd(writer.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop_signal)
        return wake

    def _on_stop_signal(self, number: int, _: object) -> None:
        """Stop; kill at a second Ctrl-C, unless a shell and a wrapper sent the same one twice."""
        is_second = self._stop_at and number == signal.SIGINT and time.monotonic() > self._stop_at + SECOND_SIGNAL_S
        self._kill_now = self._kill_now or bool(is_second)
        self._stop_at = self._stop_at or time.monotonic()

    def _wait(self, timeout_s: float) -> None:
        """Sleep until a signal arrives, at most `timeout_s`."""
        if select.select([self._wake], [], [], max(timeout_s, 0))[0]:
            self._wake.recv(4096)

    def _migrate(self) -> int:
        """Migrate the database while Valkey loads its data; wait for an unavailable database."""
        self._start(filter(None, [self._valkey]))
        output = None  # the first attempt prints to the terminal
        while not self._stop_at:
            migration = ChildProcess("migrate", child.own_command("migrate"), {**self._environ, "LOG_FILE": ""}, output)
            code = self._run_to_end(migration)
            if code != TRY_AGAIN_EXIT:
                return code
            output = self._output
            self._wait(POLL_S)
        return 0

    def _run_to_end(self, process: ChildProcess) -> int:
        """Run a child until it ends, or until we stop; returns its exit code."""
        try:
            process.start()
        except (OSError, subprocess.SubprocessError):
            return TRY_AGAIN_EXIT
        while process.is_running():
            if self._stop_at:
                process.send_signal(signal.SIGTERM)
            self._wait(POLL_S)
        return process.process.returncode if process.process else 0

    def _watch(self) -> None:
        processes = [*filter(None, [self._valkey]), *self._processes]
        while not self._stop_at:
            if self._valkey and self._valkey.is_running():
                self._valkey_recovery.check_running()
            for process in processes:
                if outcome := process.poll_exit():
                    print_line(process.name, f"{outcome}, as {self._log} may tell; starting it again")
                    self._repair(process)
            self._start(process for process in processes if process.is_due())
            self._report_when_ready()
            self._wait(self._poll_timeout_s(processes))

    def _repair(self, process: ChildProcess) -> None:
        """Set aside data that keep Valkey from starting."""
        if process is not self._valkey:
            return
        try:
            aside = self._valkey_recovery.on_exit(process.exit_code)
        except OSError as error:
            print_line(process.name, f"its data can't be set aside: {error.strerror}")
            return
        if aside:
            print_line(
                process.name, f"could not start with its data, which is now in {aside}; it is rebuilt from the database"
            )

    def _start(self, processes: Iterable[ChildProcess]) -> None:
        for process in processes:
            self._reopen_log()
            try:
                if process is self._valkey:
                    self._valkey_recovery.on_start()
                print_line(process.name, f"pid {process.start()}")
            except (OSError, subprocess.SubprocessError) as error:  # out of processes, memory or files
                process.delay_start()
                print_line(process.name, f"can't be started, and is tried again: {error}")

    def _poll_timeout_s(self, processes: list[ChildProcess]) -> float:
        if not self._ready:
            return STARTUP_POLL_S
        return min([POLL_S, *(process.due_at - time.monotonic() for process in processes if process.process is None)])

    def _report_when_ready(self) -> None:
        if self._ready or not is_ready(self._settings):
            return
        self._ready = True
        if self._output is not None and (line := setup_token.instructions(self._settings)):
            print_line("setup", line)
        print_line("ready", f"{local_url(self._settings)} after {time.monotonic() - self._started_at:.1f} s")

    def _stop(self) -> None:
        """Stop the API and the scheduler first, then the worker, which drains, and Valkey last."""
        api, scheduler, worker = self._processes
        for group in ([api, scheduler], [worker], [self._valkey] if self._valkey else []):
            for process in group:
                process.send_signal(signal.SIGTERM)
            self._wait_for(group)
        print_line("stopped", "everything")

    def _wait_for(self, group: list[ChildProcess]) -> None:
        """Wait until all have ended; kill them after the grace time, or at a second Ctrl-C."""
        deadline = time.monotonic() + GRACE_S
        while any(process.is_running() for process in group):
            if time.monotonic() > deadline or self._kill_now:
                for process in group:
                    process.send_signal(signal.SIGKILL)
            self._wait(0.2)


def local_url(settings: Settings) -> str:
    """The URL of this server for a browser on this machine."""
    host = settings.server_host
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  # compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{settings.server_port}" if ":" in host else f"http://{host}:{settings.server_port}"


def is_ready(settings: Settings) -> bool:
    """Whether the API is ready. By hand, since an HTTP client would cost the parent megabytes."""
    host = local_url(settings).removeprefix("http://").rpartition(":")[0].strip("[]")
    try:
        with socket.create_connection((host, settings.server_port), timeout=1) as connection:
            connection.sendall(b"GET /api/v1/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
