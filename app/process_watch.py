"""Processes of this host: who we are, and which of the others have ended. Linux only; elsewhere nothing is known."""

import asyncio
import os
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from app.domain.system import process_identity
from app.domain.system.process_identity import ObservedProcess, ProcessIdentity, ProcessState

PROC = Path("/proc")
FINGERPRINT_DIGITS = 20
# Fields of /proc/PID/stat (proc_pid_stat(5)) after the second one, the name, which may contain anything.
STATE, THREADS, STARTED = 0, 17, 19
ZOMBIE_STATES = (b"Z", b"X")


def host_fingerprint(proc: Path = PROC) -> str:
    """Identify the running kernel, the pid and time namespaces and the host's name; empty when one of them is unknown.

    Processes with the same fingerprint see the same pids and count time in the same way. A container has another one
    than its host. The name tells apart virtual machines that were restored from one snapshot, if they are named.
    """
    try:
        if (proc / "self").readlink() != Path(str(os.getpid())):  # /proc of another namespace
            return ""
        boot_id = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        parts = [boot_id, _namespace(proc, "pid"), _namespace(proc, "time"), socket.gethostname()]
    except (OSError, ValueError):
        return ""
    return sha256("\n".join(parts).encode()).hexdigest()[:FINGERPRINT_DIGITS] if boot_id else ""


def _namespace(proc: Path, name: str) -> str:
    """Its number; empty when the kernel has no such namespaces. Raises OSError when it can't be known."""
    try:
        found = (proc / "self/ns" / name).stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def own_identity() -> str:
    """This process's identity as text; empty when it is not known."""
    host, own = host_fingerprint(), read_process(os.getpid())
    if not host or own.started is None:
        return ""
    return process_identity.encode(ProcessIdentity(host, os.getpid(), own.started))


def read_process(pid: int) -> ObservedProcess:
    """What this host shows of the process with a pid."""
    try:
        os.kill(pid, 0)  # unlike /proc, it also knows the processes of users that are hidden from us
    except ProcessLookupError:
        return ObservedProcess(exists=False)
    except OSError:
        pass  # it exists, and belongs to somebody else
    try:
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        has_exited = fields[STATE] in ZOMBIE_STATES and int(fields[THREADS]) <= 1
        return ObservedProcess(exists=True, started=int(fields[STARTED]), has_exited=has_exited)
    except (OSError, ValueError, IndexError):
        return ObservedProcess(exists=True)


class ProcessWatch:
    """Watches processes by their identities, and wakes whoever waits as soon as one of them ends."""

    def __init__(self) -> None:
        self._host = host_fingerprint()
        self._watched: dict[str, int | None] = {}  # identity → its pidfd; None: the kernel gives none
        self._ended = asyncio.Event()

    def watch(self, identity: str) -> ProcessState:
        """Watch a process from now on, if it runs on this host. Returns its state."""
        process = process_identity.parse(identity)
        if process is None or process.host != self._host:
            return ProcessState.UNKNOWN
        state = process_identity.state_of(process, self._host, read_process(process.pid))
        if state is ProcessState.RUNNING and identity not in self._watched:
            self._watched[identity] = self._open(process.pid)
        return state

    def take_ended(self) -> list[str]:
        """Those of the watched processes that have ended, each of them once."""
        ended = [identity for identity in self._watched if self.watch(identity) is ProcessState.ENDED]
        for identity in ended:
            self._close(self._watched.pop(identity))
        return ended

    async def wait(self, timeout_s: float) -> None:
        """Wait until a watched process ends, at most `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        self._ended.clear()

    def close(self) -> None:
        """Watch nothing any more."""
        for pidfd in self._watched.values():
            self._close(pidfd)
        self._watched.clear()

    def _open(self, pid: int) -> int | None:
        """A pidfd that sets the event; should the pid be another process's by now, it is only set in vain."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # an old kernel, or a filter of system calls: the end is noticed after the timeout
            return None
        asyncio.get_running_loop().add_reader(pidfd, self._on_end, pidfd)
        return pidfd

    def _on_end(self, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)  # it stays readable
        self._ended.set()

    def _close(self, pidfd: int | None) -> None:
        if pidfd is not None:
            asyncio.get_running_loop().remove_reader(pidfd)
            os.close(pidfd)
