"""A worker's cache of monitor snapshots: one query per new version, none per check."""

from app.store.monitoring import series
from schema.monitors import Snapshot, UnreadableTarget


class Snapshots:
    """Snapshots by series. Their targets hold decrypted secrets: they never leave the process."""

    def __init__(self) -> None:
        self._by_series: dict[int, Snapshot] = {}

    async def for_series(self, versions: dict[int, int]) -> dict[int, Snapshot]:
        """Snapshots for these series (series -> minimum version); deleted monitors are absent."""
        stale = [no for no, version in versions.items() if not self._is_current(no, version)]
        if stale:
            for outdated in stale:
                self._by_series.pop(outdated, None)
            self._by_series.update({one.series: one for one in await series.list_snapshots(stale)})
        return {no: self._by_series[no] for no in versions if no in self._by_series}

    def _is_current(self, no: int, version: int) -> bool:
        """Whether the cached version is new enough. An unreadable one is loaded again: its key may be back."""
        cached = self._by_series.get(no)
        return cached is not None and cached.version >= version and not isinstance(cached.target, UnreadableTarget)
