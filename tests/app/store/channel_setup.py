"""A channel with linked monitors that fail and recover, and the deliveries it is sent."""

from collections.abc import Sequence
from typing import Any

from app import db
from app.store.alerting import channels, delivery_claims, delivery_results
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from app.store.monitoring import series
from app.store.transactions import monitors, results
from schema.channels import ChannelConfig
from schema.jobs import CheckOutcome
from schema.monitors import Snapshot
from tests import make

NOW, STEP = make.NOW_MS, make.MINUTE_MS


class ChannelSetup:
    """A channel and its monitors. Monitors are called by their number."""

    def __init__(self, channel_id: str, snapshots: dict[int, Snapshot]) -> None:
        self.channel_id, self.known = channel_id, snapshots
        self.numbers = list(snapshots)

    async def down(self, monitor: int = 0, at_ms: int = NOW - STEP, now_ms: int | None = None) -> str:
        """It fails; returns the delivery's id."""
        return await self._store(make.down(series=self.numbers[monitor], at_ms=at_ms), now_ms)

    async def up(self, monitor: int = 0, at_ms: int = NOW, now_ms: int | None = None) -> str:
        """It is well again."""
        return await self._store(make.outcome(series=self.numbers[monitor], at_ms=at_ms), now_ms)

    async def _store(self, outcome: CheckOutcome, now_ms: int | None) -> str:
        stored = await results.store_results(make.results(outcome), self.known, now_ms or outcome.at_ms)
        (id_,) = stored.deliveries[self.channel_id]
        return id_

    async def row(self) -> dict[str, Any]:
        """The channel's row."""
        (found,) = await db.rows("SELECT * FROM channels WHERE id = ?1", self.channel_id)
        return dict(found)


async def channel_setup(
    count: int = 1, config: ChannelConfig | None = None, *, reminders: int = 0, **rules: Any
) -> ChannelSetup:
    """A channel with these rules, and monitors linked to it that remind it of an outage every so many checks."""
    channel = await channels.create(make.channel(config, **rules))
    snapshots = {}
    for number in range(count):
        draft = make.monitor(name=f"web {number}", notification_channel_ids=[channel.id], resend_interval=reminders)
        changed = await monitors.create(draft)
        (snapshot,) = await series.list_snapshots([changed.schedules[0].series])
        snapshots[snapshot.series] = snapshot
    return ChannelSetup(channel.id, snapshots)


async def claimed(ids: Sequence[str], now_ms: int = NOW, **options: Any) -> list[str]:
    """Ids of the claimed deliveries."""
    return [one.id for one in await delivery_claims.claim(ids, now_ms, **options)]


async def claims(ids: Sequence[str], now_ms: int = NOW, **options: Any) -> list[DeliveryClaim]:
    """The claimed deliveries."""
    return await delivery_claims.claim(ids, now_ms, **options)


async def settled(*results: AttemptResult, now_ms: int = NOW) -> dict[str, list[str]]:
    """Record the results of attempts."""
    return await delivery_results.record_results(results, now_ms)


async def state(id_: str) -> tuple[str, int, str]:
    """(state, attempts, error) of a delivery."""
    (row,) = await db.rows("SELECT state, attempts, error FROM deliveries WHERE id = ?1", id_)
    return row["state"], row["attempts"], row["error"]


async def state_and_code(id_: str) -> tuple[str, int, str]:
    """(state, attempts, code of the reason) of a delivery."""
    (row,) = await db.rows("SELECT state, attempts, reason_code FROM deliveries WHERE id = ?1", id_)
    return row["state"], row["attempts"], row["reason_code"]


async def states() -> dict[str, int]:
    """How many deliveries are in which state."""
    return {row["state"]: row["n"] for row in await db.rows("SELECT state, count(*) AS n FROM deliveries GROUP BY 1")}
