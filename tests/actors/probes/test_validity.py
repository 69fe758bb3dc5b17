"""No config that is accepted is unknown for ever: whatever a check would refuse is refused on saving."""

import asyncio
import contextlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings as example_settings

from actors.probes import ProbeContext, open_probe_context, run_probe
from app.domain.parsing.hosts import with_wire_hosts
from app.domain.validation import structs
from app.errors import Invalid
from app.security.network.resolver import Resolver
from app.settings import Settings
from app.store.monitoring import config_secrets
from schema.status import Status
from schema.targets import TARGETS, Target
from tests import make
from tests.actors.probes import certificates, configs

OF_OUR_RECORD = {"push", "group"}  # they read only our own database
EXAMPLES = 40  # of each type
# Independent of a config: there is no network, no permitted Docker socket and no name resolution.
ENVIRONMENT = re.compile(
    r"the name server .+ does not answer for |no answer from a name server |nobody says |this machine's name server: "
    r"|the hosts of .+ could not be looked up|this Unix socket is not among "
    r"|could not ask: (message too long|.* family)"
)


class World:
    """An event loop, a probe context, and a server that disconnects every client."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self.context, self.port = self._runner.run(self._opened(settings))

    async def _opened(self, settings: Settings) -> tuple[ProbeContext, int]:
        names = Resolver(lookup=lambda _: ("127.0.0.1",))
        self._server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        context = await open_probe_context(settings, trust=certificates.trust(), names=names)
        return context, int(self._server.sockets[0].getsockname()[1])

    def message_of(self, target: Target) -> str:
        """The message of an unknown outcome; empty for any other."""
        snapshot = make.snapshot(with_wire_hosts(target), timeout_ms=1_000)
        outcome = self._runner.run(run_probe(make.slot(), snapshot, self.context, detailed=True))
        return outcome.message if outcome.status is Status.UNKNOWN else ""

    def close(self) -> None:
        """Let it all go."""
        self._runner.run(self.context.close())
        self._server.close()
        self._runner.close()


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    made = World(settings)
    yield made
    made.close()


def saved(type_: str, config: dict[str, Any]) -> Target | None:
    """The target, if the API would take the config."""
    with contextlib.suppress(Invalid):
        if not structs.unstorable_texts(config):
            target: Target = config_secrets.validate_new(structs.validate(config, TARGETS[type_]))
            return target
    return None


@pytest.mark.parametrize("type_", sorted(TARGETS.keys() - OF_OUR_RECORD))
def test_a_saved_config_can_always_be_checked(world: World, type_: str) -> None:
    assert saved(type_, configs.at_port(configs.USUAL[type_], world.port)) is not None

    @example_settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(config=configs.changed_configs(type_))
    def can_be_requested(config: dict[str, Any]) -> None:
        if target := saved(type_, configs.at_port(config, world.port)):
            message = world.message_of(target)
            assert ENVIRONMENT.match(message) or not message, (config, message)

    can_be_requested()
