"""A reference implementation of the delivery rules: naive, for one channel, over all rows of the tables.

It reads every row without a join, and knows no passes: each function answers one question about one delivery by looking
at whatever there is. It shares no code with the product but the names of states and reasons.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple

from app import db
from schema.heartbeats import slot_of_key

MINUTE_MS = 60_000
RELEASE_WINDOW_MS, RECHECK_MS, MAX_HOLD_MS = 300_000, 1_000, 30_000
ALERTS = ("monitor.down", "incident.opened", "incident.escalated")
ENDS = ("monitor.up", "incident.resolved")
NOBODY_KNOWS = (
    "parent_down",
    "group_alerts",
    "members_alert",
    "recovered_early",
    "recovered_with_parent",
    "not_alerted",
)


class Fate(NamedTuple):
    """What becomes of a delivery. `until_ms` of one that waits, `carrier` of one that is sent."""

    state: str
    code: str = ""
    until_ms: int = 0
    carrier: str = ""


STAYS = Fate("stays")


class Settings(NamedTuple):
    """The channel's rules, times in milliseconds. Quiet from `quiet[0]` to `quiet[1]`, except for outages if asked."""

    min_outage_ms: int
    quiet: tuple[int, int]
    quiet_spares_downs: bool
    burst: int | None
    window_ms: int
    max_age_ms: int
    is_webhook: bool


class Model:
    """One moment of the database."""

    def __init__(self, settings: Settings, now_ms: int) -> None:
        self.settings, self.now = settings, now_ms

    async def read(self) -> "Model":
        """Read every row."""
        self.events = {row["id"]: dict(row) for row in await db.rows("SELECT * FROM events")}
        self.all = [self._delivery(dict(row)) for row in await db.rows("SELECT * FROM deliveries")]
        self.all.sort(key=lambda one: (one["at_ms"], one["created_ms"], one["id"]))
        self.open = [one for one in self.all if one["state"] in {"pending", "sending"}]
        (self.channel,) = await db.rows("SELECT * FROM channels")
        self.monitors = {row["id"]: dict(row) for row in await db.rows("SELECT * FROM monitors")}
        self.series = {row["monitor_id"]: dict(row) for row in await db.rows("SELECT * FROM series")}
        self.parents = [(row["monitor_id"], row["parent_id"]) for row in await db.rows("SELECT * FROM dependencies")]
        self.members = [(row["monitor_id"], row["group_id"]) for row in await db.rows("SELECT * FROM group_members")]
        self.newest: dict[int, int] = {}  # series -> its newest slot
        for row in await db.rows("SELECT id FROM heartbeats ORDER BY id"):
            no, slot_ms = slot_of_key(row["id"])
            self.newest[no] = slot_ms
        return self

    def _delivery(self, row: dict[str, Any]) -> dict[str, Any]:
        event = self.events[row["event_id"]]
        data = json.loads(event["data"])
        started = data.get("started_at")
        return row | {
            "kind": event["kind"],
            "incident": event["incident_id"],
            "reminder": bool(data.get("reminder")),
            "started": round(datetime.fromisoformat(started).timestamp() * 1000) if started else 0,
        }

    # Questions about one delivery.

    def leased(self, one: dict[str, Any]) -> bool:
        return bool(one["state"] == "sending" and one["lease_until_ms"] > self.now)

    def due(self, one: dict[str, Any]) -> bool:
        return not self.leased(one) and (one["state"] == "sending" or one["next_attempt_ms"] <= self.now)

    def may_have_arrived(self, one: dict[str, Any]) -> bool:
        return bool(one["digest_id"] == one["id"] or (one["state"] == "sending" and not self.leased(one)))

    def digest_of(self, one: dict[str, Any]) -> str | None:
        """The digest that it was sent in and that must be sent again; None: none."""
        open_ids = {other["id"] for other in self.open}
        if one["digest_id"] in open_ids - {one["id"]}:
            return str(one["digest_id"])
        carries = any(other["digest_id"] == one["id"] != other["id"] for other in self.open)
        return one["id"] if carries else None

    def fixed(self, one: dict[str, Any]) -> bool:
        return self.leased(one) or self.digest_of(one) is not None or one["hold"] == "resent"

    def fallible(self, one: dict[str, Any]) -> bool:
        """Whether the course of its outage can still stop it: nobody can have it."""
        is_outage = one["kind"] in ALERTS + ENDS and one["monitor_id"] is not None
        return is_outage and not one["attempts"] and one["hold"] != "resent" and not self.settings.is_webhook

    def recovered(self, one: dict[str, Any]) -> int | None:
        """When its outage ended; None while it lasts."""
        if one["kind"] in ENDS:
            return int(one["at_ms"])
        ends = [
            event["at_ms"]
            for event in self.events.values()
            if event["monitor_id"] == one["monitor_id"] and event["at_ms"] > one["at_ms"]
            if event["kind"] == "monitor.up"
            or (event["kind"] == "incident.resolved" and event["incident_id"] == one["incident"])
        ]
        return min(ends, default=None)

    def alerts_before(self, one: dict[str, Any]) -> list[dict[str, Any]]:
        """The alerts of its outage before it."""
        return [
            other
            for other in self.all
            if other["monitor_id"] == one["monitor_id"] and one["started"] <= other["at_ms"] < one["at_ms"]
            if other["kind"] in ALERTS and one["started"]
            if other["kind"] != "incident.opened" or one["kind"] == "incident.resolved"
        ]

    def too_short(self, alert: dict[str, Any], first_ms: int, end_ms: int | None) -> bool:
        return (
            alert["kind"] == "monitor.down" and end_ms is not None and end_ms < first_ms + self.settings.min_outage_ms
        )

    def with_parent(self, alert: dict[str, Any], end_ms: int | None) -> bool:
        released = alert["released_ms"]
        return released is not None and end_ms is not None and end_ms <= released + RELEASE_WINDOW_MS

    def unheard(self, alert: dict[str, Any], later: dict[str, Any]) -> bool:
        """Whether nobody has heard or will hear this alert of the later one's outage."""
        if alert in self.open and self.due(alert):
            fate = self.own_fate(alert)
            if fate is not None and fate.state != "pending":
                return fate.state == "suppressed"
        if alert["state"] == "suppressed":
            return alert["reason_code"] in NOBODY_KNOWS
        downs = [other["at_ms"] for other in self.alerts_before(later) if other["kind"] == "monitor.down"]
        end_ms = self.recovered(later)
        is_stopped = (downs and self.too_short(alert, min(downs), end_ms)) or self.with_parent(alert, end_ms)
        return alert["state"] == "pending" and not alert["attempts"] and bool(is_stopped)

    def down_parent(self, one: dict[str, Any]) -> bool:
        """Whether a parent is down whose alert this channel has."""
        return any(
            self.monitors[parent]["active"]
            and (alerted := self.series[parent]["alerted_ms"])
            and any(
                other["monitor_id"] == parent and other["at_ms"] >= alerted and other["kind"] in ALERTS
                for other in self.all
            )
            for monitor, parent in self.parents
            if monitor == one["monitor_id"]
        )

    def parent_awaited_until(self, one: dict[str, Any]) -> int:
        until = 0
        for monitor, parent in self.parents:
            if monitor != one["monitor_id"] or not self.monitors[parent]["active"]:
                continue
            row, series = self.monitors[parent], self.series[parent]
            newest = self.newest.get(series["no"], 0)
            if series["alerted_ms"] is None and (series["status"] == 2 or newest < one["created_ms"]):
                until = one["created_ms"] + min(row["interval_s"] * 1000 + row["timeout_ms"], MAX_HOLD_MS)
        return until

    def quiet_until(self, one: dict[str, Any]) -> int:
        start, end = self.settings.quiet
        is_spared = self.settings.quiet_spares_downs and one["kind"] == "monitor.down"
        return 0 if is_spared or one["hold"] == "resent" or not start <= self.now < end else end

    # What becomes of it.

    def channel_fate(self, one: dict[str, Any]) -> Fate | None:
        if self.channel["disabled_ms"] is not None:
            return Fate("dead", "channel_disabled")
        if not self.channel["active"]:
            return Fate("suppressed", "channel_inactive")
        age_from = one["created_ms"] if one["age_from_ms"] is None else one["age_from_ms"]
        if age_from < self.now - self.settings.max_age_ms:
            return Fate("dead", "expired")
        return STAYS if self.channel["circuit_open_until_ms"] > self.now else None

    def own_fate(self, one: dict[str, Any]) -> Fate | None:
        """What becomes of a due delivery whatever else waits; None: it may be sent."""
        if fate := self.channel_fate(one):
            return fate
        if self.fallible(one) and (fate := self.outage_fate(one)):
            return fate
        until = self.quiet_until(one)
        return Fate("pending", "quiet_hours", until) if until else None

    def outage_fate(self, one: dict[str, Any]) -> Fate | None:
        end_ms, before = self.recovered(one), self.alerts_before(one)
        is_over = one["kind"] in ENDS or (one["reminder"] and end_ms is not None)
        if is_over and before and all(self.unheard(other, one) for other in before):
            return Fate("suppressed", "not_alerted")
        if one["kind"] in ENDS:
            return None
        reasons = {
            "alerted_meanwhile": one["reminder"]
            and any(other["sent_ms"] is not None for other in before)
            and min(other["sent_ms"] for other in before if other["sent_ms"] is not None) > one["at_ms"],
            "recovered_early": not one["reminder"] and self.too_short(one, one["at_ms"], end_ms),
            "recovered_with_parent": not one["reminder"] and self.with_parent(one, end_ms),
            "parent_down": self.down_parent(one),
            "group_alerts": any(
                monitor == one["monitor_id"] and self.monitors[group]["active"] for monitor, group in self.members
            ),
        }
        code = next((code for code, holds in reasons.items() if holds), None)
        return Fate("suppressed", code) if code else self.outage_wait(one, before)

    def outage_wait(self, one: dict[str, Any], before: list[dict[str, Any]]) -> Fate | None:
        downs = [other["at_ms"] for other in before if other["kind"] == "monitor.down"]
        first_ms = (min(downs) if downs else None) if one["reminder"] else one["at_ms"]
        if one["kind"] == "monitor.down" and self.settings.min_outage_ms and first_ms is not None:
            until = first_ms + self.settings.min_outage_ms
            if until > self.now:
                return Fate("pending", "min_outage", until)
        if one["kind"] in {"monitor.down", "incident.opened"} and not one["reminder"]:
            until = self.parent_awaited_until(one)
            if until > self.now:
                return Fate("pending", "parent_check", min(until, self.now + RECHECK_MS))
        return None

    def digest_fate(self, one: dict[str, Any]) -> Fate | None:
        """Members of a digest that may have arrived wait for each other."""
        if self.digest_of(one) is None or not self.due(one):
            return None
        family = [other for other in self.open if self.digest_of(other) == self.digest_of(one) and self.due(other)]
        waits = [fate for other in family if (fate := self.own_fate(other)) and fate.state == "pending"]
        return max(waits, key=lambda fate: fate.until_ms, default=None)

    def fate_alone(self, one: dict[str, Any]) -> Fate | None:
        """What its outage and its digest say, if anything."""
        fate = self.own_fate(one) if self.due(one) else None
        return self.digest_fate(one) or fate if fate is None or fate.state == "pending" else fate

    def waits(self, one: dict[str, Any]) -> bool:
        """Whether it can't be sent now, by a rule of its own."""
        own = self.own_fate(one) if self.due(one) else None
        return own is not None if self.due(one) else one["hold"] == "held"

    def collapsed(self, one: dict[str, Any]) -> Fate | None:
        """Whether a newer message of its outage makes it redundant."""
        if self.settings.is_webhook or one["kind"] != "monitor.down" or self.fixed(one):
            return None
        for other in self.open:
            is_newer = other["monitor_id"] == one["monitor_id"] and other["at_ms"] > one["at_ms"]
            own = self.own_fate(other) if self.due(other) else None
            if not is_newer or self.fixed(other) or (own and own.state in {"suppressed", "dead"}):
                continue
            if other["kind"] == "monitor.up":
                return None if self.waits(other) else Fate("suppressed", "collapsed_into_recovery")
            if other["kind"] == "monitor.down" and not self.waits(other):
                return Fate("suppressed", "collapsed_into_reminder")
        return None

    def settled(self, one: dict[str, Any]) -> Fate | None:
        """What becomes of it before it is asked whose turn it is."""
        fate = self.fate_alone(one)
        if fate is None or fate.state == "pending":
            return self.collapsed(one) or fate
        return fate

    def ready(self) -> list[dict[str, Any]]:
        """Those that are due and may be sent."""
        return [one for one in self.open if self.due(one) and self.settled(one) is None]

    def fresh(self, one: dict[str, Any]) -> bool:
        return self.digest_of(one) is None and not self.may_have_arrived(one) and one["hold"] != "resent"

    def digest_due(self, ready: list[dict[str, Any]]) -> bool:
        is_closed = not self.channel["circuit_open_until_ms"]
        return is_closed and any(one["hold"] == "grouped" and self.fresh(one) for one in ready)

    def in_turn(self, one: dict[str, Any], ready: list[dict[str, Any]]) -> bool:
        """Whether no older delivery of its monitor has to go first."""
        if self.digest_of(one) is not None or one["hold"] == "resent":
            return True
        together = [other["id"] for other in ready if self.fresh(other)] if self.digest_due(ready) else []
        for other in self.open:
            is_older = other["monitor_id"] == one["monitor_id"] and other["at_ms"] < one["at_ms"]
            if one["monitor_id"] is None or not is_older or other["hold"] == "resent":
                continue
            if self.leased(other):
                return False
            is_with_it = one["id"] in together and other["id"] in together
            if is_with_it or other["sent_ms"] is not None or self.settled(other) not in {None, STAYS}:
                continue
            if self.due(other) or other["hold"] != "held":
                return False
        return True

    def room(self) -> tuple[int, int]:
        """How many single messages the channel may get now, and until when the others wait."""
        burst, window_ms = self.settings.burst or 0, self.settings.window_ms
        sent = [
            one["sent_ms"]
            for one in self.all
            if one["state"] == "sent" and one["digest_id"] is None and one["sent_ms"] > self.now - window_ms
        ]
        sent += [self.now for one in self.open if self.leased(one) and one["digest_id"] is None]
        recent = sorted(sent, reverse=True)
        until = recent[burst - 1] + window_ms if 0 < burst <= len(recent) else self.now + window_ms
        return max(0, burst - len(recent)), until

    def fates(self) -> dict[str, Fate]:
        """What becomes of every open delivery, by id."""
        fates = {one["id"]: self.settled(one) or STAYS for one in self.open if not self.leased(one)}
        ready = self.ready()
        going = [one for one in ready if self.in_turn(one, ready)]
        fates |= {one["id"]: STAYS for one in ready} | self.messages(going, is_digest=self.digest_due(ready))
        for one in self.open:
            if self.superseded(one, fates):
                fates[one["id"]] = Fate("suppressed", "superseded")
        return fates

    def messages(self, going: list[dict[str, Any]], *, is_digest: bool) -> dict[str, Fate]:
        """In which messages those go whose turn it is."""
        if self.channel["circuit_open_until_ms"] and going:  # on trial: the oldest message alone
            first = self.digest_of(going[0]) or going[0]["id"]
            return {
                one["id"]: Fate("sending", carrier=first)
                for one in going
                if (self.digest_of(one) or one["id"]) == first
            }
        fates = {one["id"]: Fate("sending", carrier=self.digest_of(one) or one["id"]) for one in going}
        fresh = [one["id"] for one in going if self.fresh(one)]
        free, until = self.room()
        if is_digest and fresh:
            fates |= dict.fromkeys(fresh, Fate("sending", carrier=fresh[-1]))
        elif self.settings.burst is not None:
            fates |= dict.fromkeys(fresh[free:], Fate("pending", "digest", until))
        return fates

    def superseded(self, one: dict[str, Any], fates: dict[str, Fate]) -> bool:
        """Whether it is a recovery that would come after the alert of a newer outage."""
        fate = fates.get(one["id"], STAYS)
        is_waiting = fate.state in {"stays", "pending"} or (fate.state == "sending" and one["sent_ms"] is not None)
        if self.settings.is_webhook or one["kind"] not in ENDS or self.fixed(one) or not is_waiting:
            return False
        return any(
            fates.get(other["id"], STAYS).state == "sending"
            for other in self.open
            if other["monitor_id"] == one["monitor_id"] and other["at_ms"] > one["at_ms"] and other["kind"] in ALERTS
        )
