"""What processes cost, read from /proc.

Ours are known by a mark in their environment, so that orphans count too; or by a parent that is ours, since Valkey
writes its title over its environment.
"""

import os
from pathlib import Path

from msgspec import Struct

TICKS = os.sysconf("SC_CLK_TCK")
MARK = "WATCHKEEPER_RUN"
ROLES = {"api": "api", "schedule": "scheduler", "work": "worker"}


class Process(Struct, frozen=True):
    """A living process of the product.

    role    parent, api, scheduler, worker or valkey; "other" when it is unknown
    """

    pid: int
    parent: int
    role: str


class Cost(Struct, frozen=True):
    """What a set of processes has used so far."""

    cpu_s: float
    pss_bytes: int
    written_bytes: int


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone, or not ours to read
        return b""


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def marked(mark: str) -> list[int]:
    """Living processes started with `MARK=mark` in their environment."""
    sought = f"{MARK}={mark}".encode()
    return sorted(pid for pid in _pids() if sought in _read(pid, "environ").split(b"\0"))


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/<pid>/stat from the state on (the third)."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def role_of(words: list[str]) -> str:
    """Which part of the product a command line starts; "" when it does not name one."""
    if words and "valkey-server" in words[0]:
        return "valkey"
    if not any(word.endswith(("app.cli", "watchkeeper", "app/cli.py")) for word in words):
        return ""
    return next((ROLES[word] for word in words if word in ROLES), "parent" if "up" in words else "")


def _words(pid: int) -> list[str]:
    return [word.decode(errors="replace") for word in _read(pid, "cmdline").split(b"\0") if word]


def of(mark: str) -> list[Process]:
    """Our living processes. A child whose command line names no role has its parent's."""
    everyone = {pid: int(stat[1]) for pid in _pids() if (stat := _stat(pid)) and stat[0] != b"Z"}
    parents = _with_children(set(marked(mark)), everyone)
    roles = {pid: role_of(_words(pid)) for pid in parents}
    return [Process(pid, parent, _inherited(pid, parents, roles)) for pid, parent in parents.items()]


def _with_children(known: set[int], everyone: dict[int, int]) -> dict[int, int]:
    """The known ones that live, and every descendant of theirs: pid → parent."""
    while more := {pid for pid, parent in everyone.items() if parent in known} - known:
        known |= more
    return {pid: everyone[pid] for pid in known if pid in everyone}


def _inherited(pid: int, parents: dict[int, int], roles: dict[int, str]) -> str:
    while pid in parents:
        if roles[pid]:
            return roles[pid]
        pid = parents[pid]
    return "other"


def _number(text: bytes, name: bytes) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(name)), 0)


def cost(processes: list[Process]) -> Cost:
    """CPU seconds (with reaped children), proportional memory and bytes sent to the disk so far."""
    pids = [process.pid for process in processes]
    stats = [stat for pid in pids if (stat := _stat(pid))]
    return Cost(
        sum(int(ticks) for stat in stats for ticks in stat[11:15]) / TICKS,
        sum(_number(_read(pid, "smaps_rollup"), b"Pss:") for pid in pids) * 1024,
        sum(_number(_read(pid, "io"), b"write_bytes:") for pid in pids),
    )
