"""Finds files of ours that other users may read. New files are private; existing ones may not be."""

import stat
from collections.abc import Iterator
from pathlib import Path

from app.settings import Settings, socket_path

UMASK = 0o077  # new files are private
OTHERS_BITS = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH


def exposure_warnings(settings: Settings) -> list[str]:
    """A line for each directory and file that other users can access; empty when all are private."""
    return [f"{path} is open to others on this machine: chmod o-rwx {path}" for path in _exposed(settings)]


def _exposed(settings: Settings) -> Iterator[Path]:
    for path in dict.fromkeys(_our_paths(settings)):
        if _mode(path) & OTHERS_BITS and (path.is_dir() or _mode(path.parent) & stat.S_IXOTH):
            yield path


def _our_paths(settings: Settings) -> Iterator[Path]:
    """Paths with secrets or private data."""
    yield settings.data_dir
    if settings.redis_embedded:
        yield socket_path(settings.redis_url).parent
    yield settings.data_dir / "secret.key"
    if settings.db_type == "sqlite":
        yield from (Path(settings.db_path + ending) for ending in ("", "-wal", "-shm"))
    yield settings.log_file or settings.data_dir / "logs" / "watchkeeper.log"


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:  # it does not exist yet, or is not ours
        return 0
