"""The setup of every fault run: the product, flipping targets, a webhook receiver, and the verdict."""

import asyncio
import contextlib
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from app import db
from bench import programs, record
from bench.faults import oracle
from bench.faults.flips import INTERVAL_S, LONGEST_S, Flips
from bench.faults.oracle import Fact, Verdict
from bench.faults.report import History
from bench.faults.shifts import Shift, straightened
from bench.installation import Installation, fresh_installation
from bench.programs import ControlledProgram
from bench.receiver import Delivery
from bench.target import SLOW, UP, Log
from schema.heartbeat_texts import NOT_CHECKED
from schema.heartbeats import slot_of_key
from schema.status import Status

OUT = programs.ROOT / "bench" / "out"
ALERT_EVENTS = ("monitor.down", "monitor.up")
PROGRAM, CHANNEL = "program", "channel"  # a webhook, which gets every fact by itself, and a channel for people
FIRST_S = 60.0  # until every monitor was checked once
DRAIN_S = 150.0  # until everything is sent, after the last fault
SETTLE_S = 20  # slots younger than this may still be on their way when the doctor looks
ADDED_AT_ONCE = 8
SHARED_STEP = 7  # a channel with several recipients is alerted of every seventh target: a message has many requests

_DELIVERIES = (
    "SELECT m.name, c.name AS channel, e.kind, e.at_ms, e.incident_id, d.id, d.state, d.attempts, d.next_attempt_ms,"
    " d.lease_until_ms, d.sent_ms, d.created_ms, d.digest_id, d.hold, d.error FROM deliveries d"
    " JOIN events e ON e.id = d.event_id JOIN channels c ON c.id = d.channel_id"
    " LEFT JOIN monitors m ON m.id = d.monitor_id ORDER BY m.name, e.at_ms, c.name"
)


class Scene:
    """One run's stage.

    slow      numbers of targets that are always up, and answer after 1.5 s
    shifts    how the product's wall clock was ahead
    """

    def __init__(
        self,
        installation: Installation,
        target: ControlledProgram,
        listeners: Mapping[str, ControlledProgram],
        flips: Flips,
        slow: Sequence[int] = (),
    ) -> None:
        self.installation, self.target, self.flips, self.slow = installation, target, flips, slow
        self.listeners = dict(listeners)
        self.began_ms = 0.0
        self.outages: list[range] = []
        self.shifts: Sequence[Shift] = ()

    @property
    def numbers(self) -> list[int]:
        """Every target's number."""
        return [*self.flips.patient, *self.flips.quick, *self.slow]

    @property
    def shared(self) -> list[int]:
        """The targets that channels with several recipients are alerted of."""
        return self.numbers[::SHARED_STEP]

    async def begin(self, also: Mapping[str, str] | None = None, shared: Sequence[Mapping[str, Any]] = ()) -> None:
        """Start the product, add a monitor for each target, wait until each was checked.

        also      more channels to notify: name → address
        shared    drafts of channels that are notified of some monitors only, as `shared` lists
        """
        await self.installation.start()
        await self.installation.register()
        address = self.listeners[PROGRAM].url("/hook")
        await self.installation.post("/webhooks", {"name": PROGRAM, "url": address, "events": list(ALERT_EVENTS)})
        addresses = {CHANNEL: self.listeners[CHANNEL].url("/hook")} | dict(also or {})
        of_all = [await self.installation.webhook(address, name=name) for name, address in addresses.items()]
        of_some = [(await self.installation.post("/notification-channels", dict(one)))["id"] for one in shared]
        for number in self.slow:
            await self.target.get(f"/set?from={number}&to={number}&as={SLOW}")
        room = asyncio.Semaphore(ADDED_AT_ONCE)
        await asyncio.gather(
            *(self._add(number, room, of_all + of_some * (number in self.shared)) for number in self.numbers)
        )
        if not await self.checked(FIRST_S):
            raise RuntimeError("not every monitor was checked at the start")
        self.began_ms = time.time() * 1000

    async def _add(self, number: int, room: asyncio.Semaphore, channels: Sequence[str]) -> None:
        async with room:
            await self.installation.monitor(
                self.target.url(f"/t/{number}"),
                name_of(number),
                interval=INTERVAL_S,
                notification_channel_ids=channels,
            )

    async def log(self) -> Log:
        """What the targets answered, and how they were switched."""
        return msgspec.json.decode(await self.target.get("/log"), type=Log)

    async def checked(self, within_s: float, since_ms: float | None = None) -> bool:
        """Whether every target is checked again before `within_s` have passed."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            log = await self.log()
            requested = {n for n, at_ms in zip(log.numbers, log.at_ms, strict=True) if at_ms >= (since_ms or 0)}
            if requested >= set(self.numbers):
                return True
            await asyncio.sleep(0.5)
        return False

    def outage(self, began_ms: float) -> None:
        """Note that nothing could be checked from then until now."""
        self.outages.append(range(int(began_ms), int(time.time() * 1000)))

    async def resume(self, name: str) -> None:
        """Resume a channel, as a user does after repairing its receiver: its backoff may have grown to ten minutes."""
        async with record.record(self.installation):
            found = await db.rows("SELECT id FROM channels WHERE name = ?1", name)
        async with asyncio.timeout(FIRST_S):
            while not await self._resumed(found[0]["id"]):  # noqa: ASYNC110  # another process has no event
                await asyncio.sleep(1)

    async def _resumed(self, channel_id: str) -> bool:
        """Whether the API did it; it may just have been killed."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, RuntimeError):
            await self.installation.sign_in()
            await self.installation.post(f"/notification-channels/{channel_id}/resume", None)
            return True
        return False

    async def drained(self) -> bool:
        """Wait until targets are at rest for long enough and every delivery is sent."""
        await self.flips.rest()
        await asyncio.sleep(LONGEST_S + 2)
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            async with record.record(self.installation):
                open_ones = await db.rows("SELECT count(*) AS n FROM deliveries WHERE state IN ('pending', 'sending')")
            if open_ones[0]["n"] == 0:
                return True
            await asyncio.sleep(1)
        return False

    async def verdict(self) -> Verdict:
        """Compare the deliveries of the program and the channel with what was true, and with what is stored."""
        verdict = await self.verdict_of(PROGRAM, spelled_out=list)
        return verdict.plus(await self.verdict_of(CHANNEL))

    async def verdict_of(
        self, name: str, spelled_out: Callable[[Iterable[Fact]], list[Fact]] = oracle.spelled_out
    ) -> Verdict:
        """Compare the deliveries of one receiver with what was true, and with what is stored.

        spelled_out    separates facts that were sent together
        """
        deliveries = [one for one in await self.deliveries(name) if one.event in ALERT_EVENTS]
        facts = {of: spelled_out(some) for of, some in facts_of(deliveries).items()}
        compare, verdict = await self.comparison(), Verdict()
        for monitor in map(name_of, self.numbers):
            verdict = verdict.plus(compare(monitor, facts.get(monitor, [])))
        collapsed = await self.stored(name, "suppressed")
        together = sum(len(some) for some in facts.values()) - len(deliveries)
        verdict = verdict.plus(
            oracle.delivered(await self.stored(name), [one.id for one in deliveries], collapsed, together=together)
        )
        return verdict.of(name)

    async def comparison(self) -> Callable[[str, Sequence[Fact]], Verdict]:
        """Compares the facts that were sent of a monitor, by its name, with what its target was like."""
        log = await self.log()
        answers = {name_of(number): found for number, found in _by_number(log).items()}
        stretches = {
            name_of(number): oracle.plateaus([(at_ms, how in UP) for one, at_ms, how in log.switches if one == number])
            for number in (*self.flips.patient, *self.slow)
        }

        def compare(name: str, facts: Sequence[Fact]) -> Verdict:
            if name in stretches:
                return oracle.strict(name, stretches[name], facts)
            return oracle.consistent(name, answers[name], facts)

        return compare

    async def deliveries(self, name: str = CHANNEL) -> list[Delivery]:
        """Every delivery that arrived there."""
        return straightened(
            msgspec.json.decode(await self.listeners[name].get("/log"), type=list[Delivery]), self.shifts
        )

    async def stored(self, channel: str, state: str = "%") -> list[str]:
        """Ids of the deliveries of downs and ups that the database holds for a channel."""
        async with record.record(self.installation):
            found = await db.rows(
                "SELECT d.id FROM deliveries d JOIN events e ON e.id = d.event_id"
                " JOIN channels c ON c.id = d.channel_id"
                " WHERE e.kind IN ('monitor.down', 'monitor.up') AND c.name = ?1 AND d.state LIKE ?2",
                channel,
                state,
            )
        return [row["id"] for row in found]

    async def save(self) -> None:
        """Copy the product's logs, its stored deliveries and those that arrived to bench/out/, for analysis."""
        folder = OUT / time.strftime("%Y%m%d-%H%M%S")
        folder.mkdir(parents=True, exist_ok=True)
        async with record.record(self.installation):
            unsent = [dict(row) for row in await db.rows(_DELIVERIES)]
        (folder / "owed.json").write_bytes(msgspec.json.encode(unsent))
        deliveries = {name: await self.deliveries(name) for name in self.listeners}
        (folder / "told.json").write_bytes(msgspec.json.encode(deliveries))
        (folder / "switches.json").write_bytes(msgspec.json.encode((await self.log()).switches))
        data = Path(self.installation.environ["DATA_DIR"])
        for path in (self.installation.log, data / "logs" / "watchkeeper.log", data / "valkey" / "valkey.log"):
            if path.exists():
                shutil.copy(path, folder)

    async def unchecked(self) -> int:
        """How often a target was left alone for too long."""
        answers, window = _by_number(await self.log()), (self.began_ms, time.time() * 1000)
        return sum(
            oracle.unchecked([at_ms for at_ms, _ in answers.get(number, [])], window, LONGEST_S * 1000, self.outages)
            for number in self.numbers
        )

    async def wasted(self) -> int:
        """Slots that were given up although the target had answered their check."""
        answers = _by_number(await self.log())
        async with record.record(self.installation):
            named, blank = await record.numbers(), await _blank()
        return sum(
            oracle.wasted([at_ms], [answered for answered, _ in answers.get(named[series], [])], INTERVAL_S * 1000)
            for series, at_ms in blank
            if series in named
        )

    async def history(self, settle_s: int = SETTLE_S) -> History:
        """The history check of the product's own doctor, without the last seconds."""
        doctor = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "doctor", "--history", "--json", "--settle", str(settle_s),
            cwd=self.installation.folder, env=self.installation.environ, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, _ = await asyncio.wait_for(doctor.communicate(), 120)
        summary = json.loads(printed.splitlines()[-1])
        return History(summary["slots"], summary["missing"], summary["doubled"], summary["gaps"])


def name_of(number: int) -> str:
    """The name of the monitor of a target."""
    return f"t-{number}"


def facts_of(deliveries: Sequence[Delivery]) -> dict[str, list[Fact]]:
    """The facts of each monitor, by its name."""
    facts: dict[str, list[Fact]] = {}
    for one in deliveries:
        facts.setdefault(one.name, []).append(Fact(one.id, one.event == "monitor.up", one.at_ms, one.started_ms))
    return facts


def _by_number(log: Log) -> dict[int, list[tuple[float, bool]]]:
    """Each target's answers, in order of time."""
    answers: dict[int, list[tuple[float, bool]]] = {number: [] for number in set(log.numbers)}
    for number, at_ms, how in zip(log.numbers, log.at_ms, log.answers, strict=True):
        answers[number].append((at_ms, how in UP))
    return answers


async def _blank() -> list[tuple[int, int]]:
    """(series, slot) of every slot that was claimed and given up. One that was missed was never claimed."""
    unknown = await db.rows(
        "SELECT id FROM heartbeats WHERE status = ?1 AND code = ?2", int(Status.UNKNOWN), NOT_CHECKED
    )
    return [slot_of_key(row["id"]) for row in unknown]


@asynccontextmanager
async def scene(
    patient: int,
    quick: int,
    seed: int,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    *,
    slow: int = 0,
) -> AsyncIterator[Scene]:
    """A stage with so many targets of each kind; everything ends with the block."""
    numbers = range(patient + quick + slow)
    async with (
        programs.controlled("bench.target") as target,
        programs.controlled("bench.receiver") as program,
        programs.controlled("bench.receiver") as channel,
        fresh_installation(environ, folder) as product,
    ):
        flips = Flips(target, numbers[:patient], numbers[patient : patient + quick], seed)
        try:
            yield Scene(product, target, {PROGRAM: program, CHANNEL: channel}, flips, numbers[patient + quick :])
        finally:
            await flips.rest()
