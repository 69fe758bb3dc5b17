import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop

from actors.probes import Tools, open_tools, outcome_of
from app.settings import Settings
from schema.jobs import Outcome
from schema.proxies import ProxyConfig
from schema.targets import Target
from tests import make
from tests.actors.probes import certificates

Check = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def tools(settings: Settings) -> AsyncIterator[Tools]:
    """What probes work with, trusting the tests' certificate authority."""
    made = await open_tools(settings, trust=certificates.trust())
    yield made
    await made.close()


@pytest.fixture
def check(tools: Tools) -> Check:
    """Checks a target once, with time enough on a busy machine: who tests lateness says how late."""

    async def run(
        target: Target,
        *,
        timeout_ms: int = 30_000,
        detailed: bool = False,
        proxy: ProxyConfig | None = None,
        **slot: Any,
    ) -> Outcome:
        snapshot = make.snapshot(target, timeout_ms=timeout_ms, proxy=proxy)
        return await outcome_of(make.slot(**slot), snapshot, tools, detailed=detailed)

    return run


@pytest.fixture
def check_on_uvloop(settings: Settings) -> Check:
    """The same, on the loop that workers run, beside the tests' own."""

    async def run(target: Target, *, timeout_ms: int = 30_000) -> Outcome:
        async def work() -> Outcome:
            tools = await open_tools(settings, trust=certificates.trust())
            try:
                return await outcome_of(make.slot(), make.snapshot(target, timeout_ms=timeout_ms), tools)
            finally:
                await tools.close()

        def on_uvloop() -> Outcome:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(work())

        return await asyncio.to_thread(on_uvloop)

    return run
