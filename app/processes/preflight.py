"""Checks before anything starts: a writable data directory, locked by us, and a free port."""

import fcntl
import os
import socket
from pathlib import Path

from app.settings import BadSettings, Settings


def check(settings: Settings) -> int:
    """Check everything, then lock the data directory.

    returns  a descriptor that holds the lock until it is closed
    raises   BadSettings with a line for each problem
    """
    errors = [*_directory_errors(settings.data_dir), *_port_errors(settings)]
    if errors:
        raise BadSettings(errors)
    return lock_data_dir(settings.data_dir)


def _directory_errors(directory: Path) -> list[str]:
    probe = directory / f".writable-{os.getpid()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds password hashes
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return [f"DATA_DIR: {directory} can't be written to: {error.strerror}"]
    return []


def _port_errors(settings: Settings) -> list[str]:
    host, port = settings.server_host, settings.server_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, _, _, address = found[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return [f"SERVER_PORT: can't listen on {host}:{port}: {error.strerror}"]
    return []


def lock_data_dir(directory: Path) -> int:
    """Lock the data directory; returns a descriptor that holds the lock until closed. Raises BadSettings."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(directory / "watchkeeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        pid = os.read(handle, 20).decode(errors="replace").strip()
        os.close(handle)
        raise BadSettings([f"DATA_DIR: {directory} is in use by another Watchkeeper, process {pid or '?'}"]) from error
    os.truncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle
