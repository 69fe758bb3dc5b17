"""What a worker knows of monitors: one query when a version is new, none for a check."""

from collections.abc import Iterable

from app.store.monitoring import series
from schema.jobs import Slot
from schema.monitors import Snapshot, UnreadableTarget


class Snapshots:
    """Monitors by series. Targets have their secrets open here: this never leaves the process."""

    def __init__(self) -> None:
        self._by_series: dict[int, Snapshot] = {}

    async def for_slots(self, slots: Iterable[Slot]) -> dict[int, Snapshot]:
        """The monitors of these slots, at the claimed version or newer; deleted ones are absent."""
        return await self._load({slot.series: slot.version for slot in slots})

    async def for_series(self, versions: dict[int, int]) -> dict[int, Snapshot]:
        """The monitors of these series (series -> version it was checked at)."""
        return await self._load(versions)

    def _is_current(self, no: int, version: int) -> bool:
        """Whether what is known will do. What could not be read may be readable by now: the key is there again."""
        known = self._by_series.get(no)
        return known is not None and known.version >= version and not isinstance(known.target, UnreadableTarget)

    async def _load(self, wanted: dict[int, int]) -> dict[int, Snapshot]:
        stale = [no for no, version in wanted.items() if not self._is_current(no, version)]
        if stale:
            for gone in stale:
                self._by_series.pop(gone, None)
            self._by_series.update({one.series: one for one in await series.list_snapshots(stale)})
        return {no: self._by_series[no] for no in wanted if no in self._by_series}
