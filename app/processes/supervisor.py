"""`watchkeeper up`: one parent for Valkey, api, scheduler and worker. Starts them, heals them, stops them in order.

It imports next to nothing, and only waits: its memory is a Python interpreter's.
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

TRY_AGAIN_EXIT = 75  # EX_TEMPFAIL of sysexits.h: the database was away
POLL_S = 1.0  # at the latest; a signal, such as of a child's end, wakes it at once
STARTUP_POLL_S = 0.05  # between looks at whether the API is ready
SECOND_SIGNAL_S = 1.0  # between two Ctrl-C of an impatient person
GRACE_S = 30.0  # longer than a worker drains
PROCESSES = (("api", "api"), ("scheduler", "schedule"), ("worker", "work"))  # what each is called, and its command


def run(settings: Settings, environ: Mapping[str, str], *, verbose: bool) -> int:
    """Be the parent until SIGINT or SIGTERM.

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
    """One line on the terminal."""
    try:
        print(f"{name:<10} {text}", flush=True)
    except BrokenPipeError:  # nobody reads it any more, which must not end the watch
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # its disk is full, or its terminal is gone
        pass


class Supervisor:
    """Who runs, and whether it is time to stop."""

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
        self._processes = [self._child(*one) for one in PROCESSES]
        self._wake = self._listen_to_signals()

    def run(self) -> int:
        """Start everything, look after it, stop everything."""
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
        """Give children the file that is there now: theirs may have been rotated away, or removed."""
        if self._output is None or log_file.is_same_file(self._output, self._log):
            return
        try:
            fresh = log_file.open_log(self._log)
        except OSError as error:
            print_line("logs", f"{self._log} can't be written to: {error.strerror}")
            return
        os.dup2(fresh, self._output, inheritable=False)
        os.close(fresh)

    def _listen_to_signals(self) -> socket.socket:
        """Signals become bytes on a socket: nothing is missed between two looks."""
        wake, into = socket.socketpair()
        wake.setblocking(False)
        into.setblocking(False)
        self._wake_writer = into  # kept open as long as this object lives
        signal.set_wakeup_fd(into.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop_signal)
        return wake

    def _on_stop_signal(self, number: int, _: object) -> None:
        """Note it. One signal often comes twice, from a shell's group and from a wrapper; a second Ctrl-C means now."""
        again = self._stop_at and number == signal.SIGINT and time.monotonic() > self._stop_at + SECOND_SIGNAL_S
        self._kill_now = self._kill_now or bool(again)
        self._stop_at = self._stop_at or time.monotonic()

    def _wait(self, timeout_s: float) -> None:
        """Sleep until a signal comes, at most `timeout_s`."""
        if select.select([self._wake], [], [], max(timeout_s, 0))[0]:
            self._wake.recv(4096)

    def _migrate(self) -> int:
        """Bring the database up to date, beside Valkey loading its log; wait for a database that is away."""
        self._start(filter(None, [self._valkey]))
        output = None  # what it says the first time is for the terminal
        while not self._stop_at:
            migration = ChildProcess("migrate", child.own_command("migrate"), {**self._environ, "LOG_FILE": ""}, output)
            code = self._run_to_end(migration)
            if code != TRY_AGAIN_EXIT:
                return code
            output = self._output
            self._wait(POLL_S)
        return 0

    def _run_to_end(self, process: ChildProcess) -> int:
        """Run a child to its end, or to ours; returns its exit code."""
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
        everyone = [*filter(None, [self._valkey]), *self._processes]
        while not self._stop_at:
            if self._valkey and self._valkey.is_running():
                self._valkey_recovery.check_running()
            for one in everyone:
                if how := one.poll_exit():
                    print_line(one.name, f"{how}, as {self._log} may tell; starting it again")
                    self._repair(one)
            self._start(one for one in everyone if one.is_due())
            self._report_when_ready()
            self._wait(self._poll_timeout_s(everyone))

    def _repair(self, process: ChildProcess) -> None:
        """Whatever would keep it from starting for ever."""
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

    def _start(self, children: Iterable[ChildProcess]) -> None:
        for one in children:
            self._reopen_log()
            try:
                if one is self._valkey:
                    self._valkey_recovery.on_start()
                print_line(one.name, f"pid {one.start()}")
            except (OSError, subprocess.SubprocessError) as error:  # no process, memory or file just now
                one.delay_start()
                print_line(one.name, f"can't be started, and is tried again: {error}")

    def _poll_timeout_s(self, processes: list[ChildProcess]) -> float:
        if not self._ready:
            return STARTUP_POLL_S
        return min([POLL_S, *(one.due_at - time.monotonic() for one in processes if one.process is None)])

    def _report_when_ready(self) -> None:
        if self._ready or not is_ready(self._settings):
            return
        self._ready = True
        if self._output is not None and (line := setup_token.instructions(self._settings)):
            print_line("setup", line)
        print_line("ready", f"{local_url(self._settings)} after {time.monotonic() - self._started_at:.1f} s")

    def _stop(self) -> None:
        """API and scheduler first: nothing new comes in. Then the worker drains; Valkey goes last."""
        api, scheduler, worker = self._processes
        for group in ([api, scheduler], [worker], [self._valkey] if self._valkey else []):
            for one in group:
                one.send_signal(signal.SIGTERM)
            self._wait_for(group)
        print_line("stopped", "everything")

    def _wait_for(self, group: list[ChildProcess]) -> None:
        """Wait until all have ended; kill whoever takes too long, or everybody at a second Ctrl-C."""
        deadline = time.monotonic() + GRACE_S
        while any(one.is_running() for one in group):
            if time.monotonic() > deadline or self._kill_now:
                for one in group:
                    one.send_signal(signal.SIGKILL)
            self._wait(0.2)


def local_url(settings: Settings) -> str:
    """Where a browser on this machine finds us."""
    host = settings.server_host
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104  # compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{settings.server_port}" if ":" in host else f"http://{host}:{settings.server_port}"


def is_ready(settings: Settings) -> bool:
    """Whether the API says that it is. By hand: an HTTP client would cost the parent megabytes."""
    host = local_url(settings).removeprefix("http://").rpartition(":")[0].strip("[]")
    try:
        with socket.create_connection((host, settings.server_port), timeout=1) as connection:
            connection.sendall(b"GET /api/v1/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False
