"""P4: how soon after its first failing check a monitor's alert has arrived.

Up to 4,000 fail while 500 checks/s run; every monitor tells a second channel besides, which takes each message and
never answers: it must hold up nobody. Then 10,000 and 20,000 fail together while 1,000 checks/s run, which tell one
channel, or a hundred.
"""

import asyncio

import msgspec

from bench import programs, record
from bench.figure import Figure, percentile
from bench.installation import Installation, fresh_installation
from bench.programs import ControlledProgram
from bench.reading import INTERVAL_S
from bench.receiver import Delivery
from bench.run import Run
from bench.sweep import MANY, SETTLE_S, SOME
from bench.target import FAIL, PASS, Log

SINGLE = 300  # monitors that fail one by one, as their slots come
WAIT_S = INTERVAL_S + 6
HALF, ALL = 10_000, 20_000  # monitors that fail together, and as many as there are
CHANNELS = (1, 100)
STORM_WAIT_S = INTERVAL_S + 15
PATIENCE_S = 60


async def measure(run: Run) -> list[Figure]:
    """Latency of single alerts, and of thousands of monitors whose target fails at one moment."""
    found = await _beside_a_hanging_channel()
    for mark, channels in zip("df", CHANNELS[:1] if run.quick else CHANNELS, strict=False):
        found += await _storms(mark, channels)
    return found


async def _beside_a_hanging_channel() -> list[Figure]:
    async with (
        programs.controlled("bench.target") as target,
        programs.controlled("bench.receiver") as hook,
        programs.controlled("bench.faulty_receiver") as hanging,
        fresh_installation() as installed,
    ):
        await hanging.get("/mode/hangs")
        await _prepare(installed, target, hook, hanging)
        await asyncio.sleep(SETTLE_S)
        single = await _fail(target, hook, SINGLE)
        await target.get(f"/set?from=0&to={SOME - 1}&as={PASS}")
        await asyncio.sleep(WAIT_S)
        mass = await _fail(target, hook, SOME)
    return [
        *(
            Figure(
                name=f"P4{mark}", what=f"failing check to webhook received, another one hangs, p{share:.0%}"[:-1],
                value=percentile(single, share), unit="ms", goal=goal_ms, note=_arrived(single, SINGLE),
            )
            for mark, share, goal_ms in (("a", 0.5, 15), ("b", 0.99, 30))
        ),
        Figure(
            name="P4c", what="4,000 failing together: each sent after its own failing check, at most",
            value=mass[-1] / 1000 if len(mass) == SOME else None, unit="s", goal=0.3,
            note=f"{_arrived(mass, SOME)}, p50 {percentile(mass, 0.5):.0f} ms, p99 {percentile(mass, 0.99):.0f} ms",
        ),
    ]  # fmt: skip


async def _storms(mark: str, channels: int) -> list[Figure]:
    """Latency when half of 20,000 monitors fail together, and when all do.

    mark  of the first row; the second has the next letter
    """
    async with (
        programs.controlled("bench.target") as target,
        programs.controlled("bench.receiver") as hook,
        fresh_installation() as installed,
    ):
        await _prepare_storm(installed, target, hook, channels)
        await asyncio.sleep(SETTLE_S)
        half = await _fail(target, hook, HALF, STORM_WAIT_S)
        await target.get(f"/set?from=0&to={HALF - 1}&as={PASS}")
        await asyncio.sleep(STORM_WAIT_S)
        everything = await _fail(target, hook, ALL, STORM_WAIT_S)
    return [
        Figure(
            name=f"P4{chr(ord(mark) + number)}",
            what=f"{size:,} failing together, {channels} channel{'s' * (channels > 1)}: each at most",
            value=found[-1] / 1000 if len(found) == size else None, unit="s", goal=5,
            note=f"{_arrived(found, size)}, p50 {percentile(found, 0.5):.0f} ms, p99 {percentile(found, 0.99):.0f} ms",
        )
        for number, (size, found) in enumerate([(HALF, half), (ALL, everything)])
    ]  # fmt: skip


async def _prepare_storm(
    installed: Installation, target: ControlledProgram, hook: ControlledProgram, channels: int
) -> None:
    """20,000 monitors, each with one of so many webhooks in turn."""
    await installed.start()
    await installed.register()
    for number in range(channels):
        ids = [await installed.webhook(hook.url("/hook"), name=f"hook {number}", is_default=False)]
        await installed.monitor(
            target.url(f"/t/{number}"), f"t-{number}", interval=INTERVAL_S, notification_channel_ids=ids
        )
    await installed.stop()
    async with record.record(installed):
        for number in range(channels):
            pattern = await record.monitor_id(f"t-{number}")
            await record.clone(pattern, range(channels + number, ALL, channels), f"/t/{number}")
    await installed.start()


def _arrived(latencies_ms: list[float], of: int) -> str:
    return f"{len(latencies_ms)} of {of} arrived"


async def _prepare(
    installed: Installation, target: ControlledProgram, hook: ControlledProgram, hanging: ControlledProgram
) -> None:
    """4,000 monitors with both webhooks, 6,000 that only keep the product busy."""
    delivery_port = msgspec.json.decode(await hanging.get("/delivery-port"))["port"]
    await installed.start()
    await installed.register()
    deliveries = [
        await installed.webhook(address, name=name, is_default=False)
        for name, address in (("hook", hook.url("/hook")), ("hangs", f"http://127.0.0.1:{delivery_port}/hook"))
    ]
    for number, channels in ((0, deliveries), (SOME, [])):
        await installed.monitor(
            target.url(f"/t/{number}"), f"t-{number}", interval=INTERVAL_S, notification_channel_ids=channels
        )
    await installed.stop()
    async with record.record(installed):
        await record.clone(await record.monitor_id("t-0"), range(1, SOME))
        await record.clone(await record.monitor_id(f"t-{SOME}"), range(SOME + 1, MANY), f"/t/{SOME}")
    await installed.start()


async def _fail(target: ControlledProgram, hook: ControlledProgram, size: int, wait_s: float = WAIT_S) -> list[float]:
    """Let the first `size` fail; ms from each one's first failing answer to its alert, in order of size."""
    await target.get("/reset")
    await hook.get("/reset")
    await target.get(f"/set?from=0&to={size - 1}&as={FAIL}")
    await asyncio.sleep(wait_s)
    for _ in range(PATIENCE_S):  # checks make room for alerts: the last monitors may fail later
        if len(await _arrivals(hook)) >= size:
            break
        await asyncio.sleep(1)
    log = msgspec.json.decode(await target.get("/log"), type=Log)
    answers = zip(log.numbers, log.at_ms, log.answers, strict=True)
    failed = {number: at_ms for number, at_ms, answer in reversed(list(answers)) if answer == FAIL}
    arrived = await _arrivals(hook)
    return sorted(arrived[number] - at_ms for number, at_ms in failed.items() if number in arrived)


async def _arrivals(hook: ControlledProgram) -> dict[int, float]:
    """Number of a monitor -> when its first alert arrived."""
    deliveries = msgspec.json.decode(await hook.get("/log"), type=list[Delivery])
    return {int(one.name[2:]): one.arrived_ms for one in reversed(deliveries) if one.event == "monitor.down"}
