"""Files of ours that others on this machine may read: what we make is ours alone, what was there before may not be."""

import stat
from collections.abc import Iterator
from pathlib import Path

from app.settings import Settings, socket_path

UMASK = 0o077  # whatever our processes make: nobody else's business
OTHERS_BITS = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH


def exposure_warnings(settings: Settings) -> list[str]:
    """A line for each directory and file that others can get at; empty when they are ours alone."""
    return [f"{path} is open to others on this machine: chmod o-rwx {path}" for path in _exposed(settings)]


def _exposed(settings: Settings) -> Iterator[Path]:
    for path in dict.fromkeys(_our_paths(settings)):
        if _mode(path) & OTHERS_BITS and (path.is_dir() or _mode(path.parent) & stat.S_IXOTH):
            yield path


def _our_paths(settings: Settings) -> Iterator[Path]:
    """What has secrets, or what people are told of, in it."""
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
    except OSError:  # it is not there yet, or not ours to look at
        return 0
