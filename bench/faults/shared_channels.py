"""The channels of a run that have several recipients: e-mail and Signal. Each recipient is judged by itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec

from app import db
from bench import faulty_mail, faulty_signal, programs, record
from bench.faults import recipients
from bench.faults.oracle import Verdict
from bench.faults.recipients import RecipientFacts, StoredDelivery
from bench.faults.scene import ALERT_EVENTS, Scene, name_of
from bench.faulty_recipients import MAX_EVENTS, TEMPLATE, RecipientLog
from bench.programs import ControlledProgram
from schema.deliveries import RecipientResult

MAIL, SIGNAL = "mail", "signal"
RECIPIENTS = {MAIL: list(faulty_mail.RECIPIENTS), SIGNAL: list(faulty_signal.RECIPIENTS)}
_STORED = (
    "SELECT d.id, COALESCE(d.digest_id, d.id) AS message_id, d.reason_code, d.recipients, e.kind, e.at_ms, e.data,"
    " m.name FROM deliveries d JOIN events e ON e.id = d.event_id JOIN channels c ON c.id = d.channel_id"
    " JOIN monitors m ON m.id = d.monitor_id WHERE c.name = ?1 ORDER BY e.at_ms"
)


class SharedChannels:
    """The receivers of both channels, by the channel's name."""

    def __init__(self, receivers: Mapping[str, ControlledProgram]) -> None:
        self.receivers = receivers

    async def drafts(self) -> list[dict[str, Any]]:
        """The channels to create. E-mail comes in digests, too; Signal one by one."""
        ports = {
            name: msgspec.json.decode(await one.get("/delivery-port"))["port"] for name, one in self.receivers.items()
        }
        steady, grey, picky, blind = RECIPIENTS[MAIL]
        mail: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": ports[MAIL],
            "security": "none",
            "sender": "watch@example.com",
        }
        mail |= {"to": [steady, grey], "cc": [picky], "bcc": [blind]}
        signal: dict[str, Any] = {"server_url": f"http://127.0.0.1:{ports[SIGNAL]}", "number": "+4915112345678"}
        signal |= {"recipients": RECIPIENTS[SIGNAL]}
        return [
            _draft(MAIL, "smtp", mail, {"max_immediate": 3, "window": 5}),
            _draft(SIGNAL, "signal", signal, {"max_immediate": 1_000, "window": 1}),
        ]

    async def become(self, name: str, mode: str) -> None:
        """Change the mode of a receiver."""
        await self.receivers[name].get(f"/mode/{mode}")

    async def log(self, name: str) -> RecipientLog:
        """What happened at a receiver."""
        return msgspec.json.decode(await self.receivers[name].get("/log"), type=RecipientLog)

    async def verdict(self, stage: Scene, kills_ms: Sequence[float]) -> Verdict:
        """Compare what every recipient got with what was true, and with what is stored."""
        compare, names, verdict = await stage.comparison(), [name_of(number) for number in stage.shared], Verdict()
        for channel in self.receivers:
            log, stored = await self.log(channel), await stored_deliveries(stage, channel)
            for recipient in RECIPIENTS[channel]:
                known = RecipientFacts(
                    arrived=[one for one in log.deliveries if one.recipient == recipient],
                    stored=stored,
                    refused=log.refused.get(recipient, 0),
                    kills_ms=kills_ms,
                )
                verdict = verdict.plus(recipients.verdict_of(recipient, known, names, compare))
        return verdict

    async def notes(self) -> list[str]:
        """What the receivers did, and to whom."""
        return [_note(name, await self.log(name)) for name in self.receivers]

    async def troubles(self) -> list[str]:
        """What the run itself can't judge."""
        logs = {name: await self.log(name) for name in self.receivers}
        return [f"{name}: a digest may have more events than a template can list" for name, log in logs.items()
                if log.longest >= MAX_EVENTS]  # fmt: skip


def _draft(name: str, type_: str, config: Mapping[str, Any], grouping: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_,
        "config": config,
        "events": list(ALERT_EVENTS),
        "templates": {"text": TEMPLATE},
        "grouping": grouping,
    }


def _note(name: str, log: RecipientLog) -> str:
    taken = len({(one.recipient, recipients.message_key(one)) for one in log.deliveries})
    return (
        f"{name}: {taken} events for {len(RECIPIENTS[name])} recipients, refused for now {sum(log.later.values())},"
        f" for good {sum(log.refused.values())}; answered too late {log.late}; most events in one message {log.longest}"
    )


async def stored_deliveries(stage: Scene, channel: str) -> list[StoredDelivery]:
    """The deliveries of a channel that the database holds."""
    async with record.record(stage.installation):
        found = await db.rows(_STORED, channel)
    return [_stored(row) for row in found]


def _stored(row: Any) -> StoredDelivery:
    started = msgspec.json.decode(row["data"]).get("started_at")
    settled = msgspec.json.decode(row["recipients"], type=list[RecipientResult])
    return StoredDelivery(
        id=row["id"],
        message_id=row["message_id"],
        event=row["kind"],
        name=row["name"],
        at_ms=row["at_ms"],
        started_ms=datetime.fromisoformat(started).timestamp() * 1000 if started else 0.0,
        reason_code=row["reason_code"],
        outcomes={one.recipient: one.outcome.value for one in settled},
    )


@asynccontextmanager
async def shared_channels(seed: int) -> AsyncIterator[SharedChannels]:
    """Both receivers, for as long as the block lasts."""
    async with (
        programs.controlled("bench.faulty_mail", seed) as mail,
        programs.controlled("bench.faulty_signal", seed) as signal,
    ):
        yield SharedChannels({MAIL: mail, SIGNAL: signal})
