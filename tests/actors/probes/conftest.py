import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop

from actors.probes import ProbeContext, open_probe_context, run_probe
from app.settings import Settings
from schema.jobs import CheckOutcome
from schema.proxies import ProxyConfig
from schema.targets import Target
from tests import make
from tests.actors.probes import certificates

Check = Callable[..., Awaitable[CheckOutcome]]
OnUvloop = Callable[[Callable[[Check], Awaitable[Any]]], Awaitable[Any]]


@pytest.fixture
async def context(settings: Settings) -> AsyncIterator[ProbeContext]:
    """What probes work with, trusting the tests' certificate authority."""
    made = await open_probe_context(settings, trust=certificates.trust())
    yield made
    await made.close()


@pytest.fixture
def check(context: ProbeContext) -> Check:
    """Checks a target once, with a timeout for busy machines; tests of timeouts set their own."""

    async def run(
        target: Target,
        *,
        timeout_ms: int = 30_000,
        detailed: bool = False,
        proxy: ProxyConfig | None = None,
        **slot: Any,
    ) -> CheckOutcome:
        snapshot = make.snapshot(target, timeout_ms=timeout_ms, proxy=proxy)
        return await run_probe(make.slot(**slot), snapshot, context, detailed=detailed)

    return run


@pytest.fixture
def on_uvloop(settings: Settings) -> OnUvloop:
    """Runs what checks, on the loop that workers run, in a thread beside the tests' own."""

    async def run(work: Callable[[Check], Awaitable[Any]]) -> Any:
        async def with_context() -> Any:
            context = await open_probe_context(settings, trust=certificates.trust())

            async def check(target: Target, *, timeout_ms: int = 30_000) -> CheckOutcome:
                return await run_probe(make.slot(), make.snapshot(target, timeout_ms=timeout_ms), context)

            try:
                return await work(check)
            finally:
                await context.close()

        def in_thread() -> Any:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(with_context())

        return await asyncio.to_thread(in_thread)

    return run


@pytest.fixture
def check_on_uvloop(on_uvloop: OnUvloop) -> Check:
    """Checks a target once, there."""

    async def run(target: Target, *, timeout_ms: int = 30_000) -> CheckOutcome:
        outcome: CheckOutcome = await on_uvloop(lambda check: check(target, timeout_ms=timeout_ms))
        return outcome

    return run
