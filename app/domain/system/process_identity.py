"""Which process something belongs to, and when that process is known to have ended. Pure.

A pid alone says little: it is reused, and every container has its own pid 7. An identity also has the start of the
process and a fingerprint of the host, which stands for the running kernel, the namespaces and the host's name.
"""

import re
from enum import StrEnum

from msgspec import Struct

MAX_PID = 4_194_304  # PID_MAX_LIMIT of Linux
_IDENTITY = re.compile(r"([0-9a-f]{16,64})-([1-9][0-9]{0,6})-([0-9]{1,19})", re.ASCII)


class ProcessIdentity(Struct, frozen=True):
    """A process, as no other one ever was or will be.

    host     fingerprint, in hexadecimal digits
    started  in clock ticks since the host's boot
    """

    host: str
    pid: int
    started: int


class ObservedProcess(Struct, frozen=True):
    """What a host shows of the process with a pid.

    exists      False: it has no process with this pid
    started     in clock ticks since its boot; None: it does not show that
    has_exited  every thread has ended, and the parent has not asked for the exit code yet: a zombie
    """

    exists: bool
    started: int | None = None
    has_exited: bool = False


class ProcessState(StrEnum):
    """What is known of a process."""

    RUNNING = "running"  # also while it is stopped
    ENDED = "ended"
    UNKNOWN = "unknown"


def encode(process: ProcessIdentity) -> str:
    """The identity as text, at most 93 characters."""
    return f"{process.host}-{process.pid}-{process.started}"


def parse(text: str) -> ProcessIdentity | None:
    """The identity in a text; None for anything else, such as the ids of workers of earlier versions."""
    found = _IDENTITY.fullmatch(text)
    if found is None or int(found[2]) > MAX_PID:
        return None
    return ProcessIdentity(found[1], int(found[2]), int(found[3]))


def state_of(process: ProcessIdentity, host: str, observed: ObservedProcess) -> ProcessState:
    """Whether a process runs or has ended; unknown when in doubt.

    host      fingerprint of the observing host, empty when it knows none: of other hosts' processes it knows nothing
    observed  what that host shows of the process's pid
    """
    if process.host != host:
        return ProcessState.UNKNOWN
    if not observed.exists:
        return ProcessState.ENDED
    if observed.started is None:
        return ProcessState.UNKNOWN
    is_same = observed.started == process.started and not observed.has_exited
    return ProcessState.RUNNING if is_same else ProcessState.ENDED
