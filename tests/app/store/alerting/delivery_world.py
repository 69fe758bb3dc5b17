"""An installation that the model of deliveries is compared with."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from app import db
from app.domain.alerting.circuit_breaker import AttemptOutcome
from app.domain.incidents import lifecycle
from app.errors import Refusal
from app.store.alerting import channels, delivery_claims, delivery_queue, delivery_results
from app.store.alerting.delivery_claims import DeliveryClaim
from app.store.alerting.delivery_results import AttemptResult
from app.store.incidents import incidents
from app.store.monitoring import series
from app.store.transactions import escalations, monitors, results
from schema.channels.ntfy import Ntfy
from schema.channels.rules import Grouping, QuietHours
from schema.events import EventKind
from schema.targets import Group
from schema.targets.composed import GroupAlerts
from tests import make
from tests.app.store.alerting.delivery_model import STAYS, Fate, Model, Settings

LEASE_MS = 45_000
START = make.NOW_MS - make.NOW_MS % 60_000
SECOND, MINUTE = 1_000, 60_000
MONITORS = ("router", "web", "lone", "member", "shop")  # web depends on the router, member alerts through the shop
MAX_ROUNDS = 400  # in which everything has to be sent once nothing happens any more


class World:
    """An installation with one channel, at a time that the test sets."""

    def __init__(self, settings: Settings, traveller: Any) -> None:
        self.settings, self.now, self._traveller = settings, START, traveller
        self.ids: dict[str, str] = {}
        self.messages: list[tuple[str, ...]] = []  # ids of the deliveries in each message that was accepted
        self.abandoned: list[DeliveryClaim] = []  # by workers that were killed
        self.compared = 0

    async def build(self) -> None:
        """The channel and its monitors."""
        rules: dict[str, Any] = {"min_outage": self.settings.min_outage_ms // 1000}
        if self.settings.quiet[1]:
            start, end = (datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M") for ms in self.settings.quiet)
            spared = ["monitor.down"] if self.settings.quiet_spares_downs else []
            rules["quiet_hours"] = QuietHours(start=start, end=end, except_events=spared, timezone="UTC")
        if self.settings.burst is not None:
            rules["grouping"] = Grouping(max_immediate=self.settings.burst, window=self.settings.window_ms // 1000)
        config = Ntfy(topic="alerts") if self.settings.burst is not None else make.webhook()
        events = ["monitor.down", "monitor.up", "incident.*"]
        channel = await channels.create(make.channel(config, all_monitors=True, events=events, **rules))
        self.channel_id = channel.id
        if self.settings.is_webhook:
            await db.rows("UPDATE channels SET kind = 'webhook' WHERE id = ?1", channel.id)
        for name in MONITORS:
            draft: dict[str, Any] = {"name": name, "resend_interval": 1, "interval": 20}
            if name == "web":
                draft["parent_ids"] = [self.ids["router"]]
            if name == "shop":
                draft["config"] = Group(members=[self.ids["member"]], alerts=GroupAlerts.GROUP)
            self.ids[name] = (await monitors.create(make.monitor(**draft))).monitor.id

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.now += ms
        self._traveller.move_to(datetime.fromtimestamp(self.now / 1000, UTC))

    async def wait_until_due(self) -> None:
        """Let time pass until the next delivery is due that is not due yet."""
        model = await Model(self.settings, self.now).read()
        times = [max(one["next_attempt_ms"], one["lease_until_ms"]) for one in model.open if not model.due(one)]
        self.advance(max(SECOND, min(times, default=0) - self.now))

    async def check(self, name: str, *, passes: bool) -> None:
        """Store a result of a monitor; none when it is deleted."""
        self.advance(SECOND)
        for no in await series.list_numbers(self.ids[name]):
            snapshots = {one.series: one for one in await series.list_snapshots([no])}
            made = make.outcome if passes else make.down
            outcome = made(series=no, at_ms=self.now)
            await results.store_results(make.results(outcome), snapshots, self.now)

    async def change(self, name: str, what: str) -> None:
        """Pause, resume or delete a monitor, or acknowledge or escalate its incident."""
        self.advance(SECOND)
        found = await db.rows(
            "SELECT id, monitor_id, title, started_ms, detected_ms FROM incidents"
            " WHERE monitor_id = ?1 AND resolved_ms IS NULL",
            self.ids[name],
        )
        try:
            match what:
                case "pause" | "resume":
                    await monitors.set_active(self.ids[name], active=what == "resume")
                case "delete":
                    await monitors.delete(self.ids[name])
                case "acknowledge" if found:
                    await incidents.acknowledge(found[0]["id"], "ann")
                case "escalate" if found:
                    await self._escalate(dict(found[0]))
        except Refusal:  # it is deleted, or acknowledged already
            pass

    async def _escalate(self, row: dict[str, Any]) -> None:
        outage = lifecycle.OutageState(**row)
        async with db.transaction():
            event = lifecycle.incident_event(EventKind.INCIDENT_ESCALATED, outage, self.now)
            await escalations.record_for_channels([(event, [self.channel_id])], self.now)

    async def work(self, mood: str, ids: Sequence[str] | None = None) -> int:
        """Claim what is open, compare that with the model, and let the sends end as the mood says.

        returns  how many messages were claimed
        """
        before = await Model(self.settings, self.now).read()
        expected = before.fates() if ids is None else {}
        claims = await delivery_claims.claim(
            [one["id"] for one in before.open] if ids is None else ids, self.now, self.settings.max_age_ms
        )
        after = await Model(self.settings, self.now).read()
        if ids is None:
            self._compare(before, after, expected, claims)
        for claim in claims:
            await self._end(claim, mood)
        return len(claims)

    def _compare(self, before: Model, after: Model, expected: dict[str, Fate], claims: Sequence[DeliveryClaim]) -> None:
        rows = {one["id"]: one for one in after.all}
        for one in before.open:
            if one["id"] in expected:
                self.compared += 1
                after_claim = rows[one["id"]]
                fate = expected[one["id"]]
                assert fate_of(one, after_claim) == fate, describe(one, before)
                assert fate.state != "sending" or after_claim["lease_until_ms"] == self.now + LEASE_MS
                if fate.state == "pending" and fate.code != "digest":  # the time that it is held makes it no older
                    assert after_claim["age_from_ms"] == fate.until_ms
        messages = {claim.id: {claim.id, *(member.id for member in claim.merged)} for claim in claims}
        carried: dict[str, set[str]] = {}
        for id_, fate in expected.items():
            if fate.state == "sending":
                carried.setdefault(fate.carrier, set()).add(id_)
        assert messages == carried
        assert all(rows[claim.id]["attempts"] == claim.attempts for claim in claims)

    async def _end(self, claim: DeliveryClaim, mood: str) -> None:
        """Record how a message was received; "killed" records nothing."""
        if mood == "killed":
            self.abandoned.append(claim)
            return
        group = (claim, *claim.merged)
        if mood == "accepts":
            self.messages.append(tuple(one.id for one in group))
        retry_ms = self.now + 5 * SECOND
        kinds: dict[str, dict[str, Any]] = {
            "accepts": {"state": "sent", "outcome": AttemptOutcome.ACCEPTED},
            "refuses": {"state": "dead", "error": "no", "outcome": AttemptOutcome.MESSAGE_REJECTED},
            "fails": {"state": "pending", "next_attempt_ms": retry_ms, "outcome": AttemptOutcome.TEMPORARY_FAILURE},
            "is_silent": {
                "state": "pending",
                "next_attempt_ms": retry_ms,
                "outcome": AttemptOutcome.TEMPORARY_FAILURE,
                "got_response": False,
            },
        }
        about = kinds[mood] | {"in_digest": bool(claim.merged), "at_ms": self.now}
        found = [AttemptResult(one.id, one.attempts, **about) for one in group]
        merged = [AttemptResult(one.id, one.attempts, **about | {"outcome": None}) for one in claim.merged]
        await delivery_results.record_results([found[0], *merged], self.now)

    async def report_late(self) -> None:
        """A worker that was thought dead records its results: they count unless another one has the delivery."""
        for claim in self.abandoned:
            before = {one["id"]: one for one in (await Model(self.settings, self.now).read()).all}
            await self._end(claim, "accepts")
            after = {one["id"]: one for one in (await Model(self.settings, self.now).read()).all}
            for one in (claim, *claim.merged):
                row = before.get(one.id)
                is_its_own = row is not None and (row["state"], row["attempts"]) == ("sending", one.attempts)
                assert one.id not in after or (after[one.id]["state"] == "sent") == (
                    is_its_own or (row is not None and row["state"] == "sent")
                )
        self.abandoned.clear()

    async def settle(self) -> None:
        """Send what the sweep finds until nothing is open."""
        for _ in range(MAX_ROUNDS):
            due = await delivery_queue.due_deliveries(self.now)
            for ids in due.values():
                await self.work("accepts", ids)
            if not (await Model(self.settings, self.now).read()).open:
                return
            self.advance(10 * SECOND)
        pytest.fail("deliveries are still open, and nobody sends them")


def fate_of(before: dict[str, Any], after: dict[str, Any]) -> Fate:
    """What became of a delivery in a claim."""
    if after["state"] == "sending" and after["attempts"] > before["attempts"]:
        return Fate("sending", carrier=after["digest_id"] or after["id"])
    columns = ("state", "reason_code", "next_attempt_ms", "hold", "attempts")
    if all(before[name] == after[name] for name in columns):
        return STAYS
    until = after["next_attempt_ms"] if after["state"] == "pending" else 0
    return Fate(after["state"], after["reason_code"], until)


def describe(one: dict[str, Any], model: Model) -> str:
    names = {id_: row["name"] for id_, row in model.monitors.items()}
    rows = (
        f"{row['kind']} of {names.get(row['monitor_id'])} at +{(row['at_ms'] - START) // SECOND}: {row['state']}"
        f" {row['hold']} {row['reason_code']} attempts {row['attempts']}{' <--' if row is one else ''}"
        for row in model.all
    )
    return "\n".join([f"at +{(model.now - START) // SECOND} s", *rows])
