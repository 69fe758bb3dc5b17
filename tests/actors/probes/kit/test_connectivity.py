"""Without an uplink, failures outside are unknown; targets in private networks are judged as usual."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest

from actors.probes import ProbeContext, open_probe_context, run_probe
from actors.probes.kit.connectivity import MIN_BLOCKED_MONITORS, UPLINK_DOWN, Uplink
from actors.probes.kit.target_hosts import hosts_of
from app.security.network.egress import Egress
from app.security.network.resolver import NameUnknown, Resolver, ResolverUnavailable
from app.settings import Settings
from schema.proxies import ProxyConfig, ProxyProtocol
from schema.status import Status
from schema.targets import Http, Ping, Postgres, Push, Rabbitmq, Tcp
from tests import make

OUTSIDE = Http(url="http://shop.example/")  # a name that has no address


def lookup(host: str) -> tuple[str, ...]:
    if host == "shop.example":
        raise NameUnknown(socket.EAI_NONAME, "the name shop.example has no address")
    if host == "lost.example":
        raise ResolverUnavailable(socket.EAI_AGAIN, "the name lost.example could not be resolved")
    return {"nas.example": ("192.168.1.5",), "both.example": ("1.1.1.1", "10.0.0.1")}.get(host, (host,))


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
async def context_with(settings: Settings) -> AsyncIterator[Callable]:
    made: list[ProbeContext] = []

    async def make_them(*hosts: tuple[str, int]) -> ProbeContext:
        made.append(await open_probe_context(replace(settings, connectivity_check_hosts=hosts), names=Resolver(lookup)))
        return made[-1]

    yield make_them
    for one in made:
        await one.close()


async def outcome_of(target, context: ProbeContext, **slot) -> tuple[Status, str]:
    outcome = await run_probe(make.slot(**slot), make.snapshot(target), context)
    return outcome.status, outcome.message


async def test_a_failure_outside_is_unknown_while_no_check_host_answers(context_with, free_port) -> None:
    status, message = await outcome_of(OUTSIDE, await context_with(("127.0.0.1", free_port)))
    assert status is Status.UNKNOWN
    assert message.startswith(f"{UPLINK_DOWN} (the name shop.example")


async def test_an_unreachable_target_is_down_while_one_check_host_responds(context_with, free_port, listening) -> None:
    context = await context_with(("127.0.0.1", free_port), ("127.0.0.1", listening))
    assert (await outcome_of(OUTSIDE, context))[0] is Status.DOWN


async def test_an_unreachable_target_is_down_without_check_hosts(context_with) -> None:
    assert (await outcome_of(OUTSIDE, await context_with()))[0] is Status.DOWN


async def test_targets_in_private_networks_are_judged_as_usual(context_with, free_port) -> None:
    context = await context_with(("127.0.0.1", free_port))
    assert (await outcome_of(Tcp(host="127.0.0.1", port=free_port), context))[0] is Status.DOWN


@pytest.mark.parametrize(("host", "outside"), [("1.1.1.1", True), ("nas.example", False), ("both.example", False)])
async def test_only_public_targets_fail_with_the_uplink(context_with, free_port, host: str, outside: bool) -> None:  # noqa: FBT001  # a case
    context = await context_with(("127.0.0.1", free_port))
    assert await context.uplink.explains_failure(make.snapshot(Ping(host=host))) is outside


async def test_through_a_proxy_the_proxys_place_counts(context_with, free_port) -> None:
    context = await context_with(("127.0.0.1", free_port))
    near = make.snapshot(OUTSIDE, proxy=ProxyConfig(protocol=ProxyProtocol.HTTP, host="nas.example", port=8080))
    assert not await context.uplink.explains_failure(near)


async def test_check_hosts_that_hang_do_not_answer(context_with, monkeypatch) -> None:
    monkeypatch.setattr("actors.probes.kit.connectivity.CONNECT_TIMEOUT_S", 0.05)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        context = await context_with(full.getsockname())
        assert await context.uplink.is_down()
        for one in fillers:
            one.close()


async def test_concurrent_callers_share_one_check_of_the_anchors() -> None:
    requests: list[str] = []

    class Counting(Egress):
        async def socket_to(self, host: str, _port: int) -> socket.socket:
            requests.append(host)
            raise ConnectionRefusedError

    names = Resolver(lookup)
    uplink = Uplink(Counting(names), names, [("always-up.example", 443)])
    assert await uplink.is_down()
    assert await uplink.is_down()
    assert requests == ["always-up.example"]
    names.close()


async def test_several_monitors_blocked_by_our_own_resolver_look_like_no_network(context_with) -> None:
    context = await context_with()
    for series in range(1, MIN_BLOCKED_MONITORS + 1):
        assert not await context.uplink.seems_down()
        assert (await outcome_of(Http(url="http://lost.example/"), context, series=series))[0] is Status.UNKNOWN
    assert await context.uplink.seems_down()


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        (Http(url="https://a.example:8443/x?y=http://b.example"), ["a.example"]),
        (Tcp(host="::1", port=9), ["::1"]),
        (Postgres(connection_string="postgres://u:p@db.example:5432/x"), ["db.example"]),
        (Rabbitmq(nodes=["http://a.eu:1", "http://b.eu:1"], username="u", password="p"), ["a.eu", "b.eu"]),
        (Push(), []),
    ],
)  # fmt: skip
def test_the_hosts_of_a_target_are_listed(target, hosts) -> None:
    assert list(hosts_of(target)) == hosts
