"""`run_probe`: the one place that waits, times and catches."""

import dataclasses
import resource
import socket
import sys
import time

import pytest
from structlog.testing import capture_logs

from actors import probes
from actors.probes import PROBES, load_probe, open_probe_context, run_probe
from app.security.network.egress import Egress
from app.security.network.resolver import NameUnknown, Resolver, ResolverUnavailable
from schema.status import Status
from schema.targets import TARGETS, Grpc, Http, Mongodb, Mysql, Ping, Rabbitmq, Ssh, Tcp
from schema.targets.http import Ntlm
from tests import make
from tests.actors.probes.target import answering, serving

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN


def unknown_name(host):
    raise NameUnknown(-2, "the name has no address")


def no_name_server(host):
    raise ResolverUnavailable(-3, "the name could not be resolved")


def slow_name_server(host):
    time.sleep(0.4)
    return ("127.0.0.1",)


@pytest.fixture
async def with_names(context):
    """A probe context with the test's own name resolution."""
    made = []

    def named(lookup):
        made.append(Resolver(lookup))
        return dataclasses.replace(context, egress=Egress(made[-1]))

    yield named
    for names in made:
        names.close()


def test_every_monitor_type_has_a_probe():
    assert set(PROBES) == set(TARGETS.values())
    assert all(callable(load_probe(target)) for target in PROBES)


async def test_an_outcome_belongs_to_its_slot_and_is_timed(context):
    began_ms = time.time() * 1000 - 1
    async with serving(answering()) as target:
        slot = make.slot(series=7, version=3, at_ms=make.NOW_MS, early=True)
        outcome = await run_probe(slot, make.snapshot(make.http(url=target.url()), series=7, version=4), context)
    assert (outcome.series, outcome.version, outcome.at_ms, outcome.early) == (7, 4, make.NOW_MS, True)
    assert began_ms <= outcome.began_ms <= time.time() * 1000
    assert 0 < outcome.took_us < 5_000_000


@pytest.mark.parametrize(
    ("lookup", "expected_status", "message"),
    [
        (unknown_name, DOWN, "the name has no address"),
        (no_name_server, UNKNOWN, "the name could not be resolved"),
        (slow_name_server, UNKNOWN, "no answer from a name server within 0.1 s"),
    ],
)
async def test_an_unknown_name_differs_from_unreachable_name_servers(with_names, lookup, expected_status, message):
    timeout_ms = 100 if lookup is slow_name_server else 10_000  # a busy machine is doubted at a short limit
    for target in (Tcp(host="service", port=80), Ping(host="service")):
        outcome = await run_probe(make.slot(), make.snapshot(target, timeout_ms=timeout_ms), with_names(lookup))
        assert (outcome.status, outcome.message) == (expected_status, message)


async def test_an_http_check_distinguishes_them_too(context, monkeypatch):
    for lookup, expected_status in ((unknown_name, DOWN), (no_name_server, UNKNOWN), (slow_name_server, UNKNOWN)):
        monkeypatch.setattr(context.names, "_lookup", lookup)
        timeout_ms = 100 if lookup is slow_name_server else 10_000
        target = Http(url=f"http://{lookup.__name__.replace('_', '-')}/")
        assert (
            await run_probe(make.slot(), make.snapshot(target, timeout_ms=timeout_ms), context)
        ).status is expected_status


async def test_a_closed_port_is_the_targets_failure(check, free_port):
    for target in (Tcp(host="127.0.0.1", port=free_port), Http(url=f"http://127.0.0.1:{free_port}/")):
        outcome = await check(target)
        assert (outcome.status, outcome.message) == (DOWN, "connection refused")


async def test_running_out_of_sockets_is_our_failure(check, free_port):
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno(), usual[1]))
        try:
            outcomes = [await check(Tcp(host="127.0.0.1", port=free_port)), await check(Http(url="http://127.0.0.1/"))]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert {(one.status, one.message) for one in outcomes} == {(UNKNOWN, "could not ask: too many open files")}


async def test_no_route_from_here_is_our_failure(check):
    outcome = await check(Tcp(host="192.0.2.1", port=80))  # the tests' network ends at this machine
    assert (outcome.status, outcome.message) == (UNKNOWN, "could not ask: network is unreachable")


async def test_a_bug_of_ours_is_unknown_and_logged_once_with_its_traceback(context, settings):
    broken = dataclasses.replace(context, http=None)
    with capture_logs() as lines:
        outcome = await run_probe(make.slot(), make.snapshot(), broken)
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        "a fault in Watchkeeper (AttributeError); its log has more",
    )
    (line,) = lines
    assert (line["event"], line["log_level"], type(line["exc_info"])) == ("probe.crashed", "error", AttributeError)


@pytest.fixture
def without(monkeypatch):
    """Takes libraries away, and the modules of ours that have them already."""

    def take(libraries, *ours):
        for library in libraries:
            monkeypatch.setitem(sys.modules, library, None)
        for name in ours:
            room, _, module = f"{probes.__name__}.{name}".rpartition(".")
            monkeypatch.delitem(sys.modules, f"{room}.{module}", raising=False)
            monkeypatch.delattr(f"{room}.{module}", raising=False)
        load_probe.cache_clear()

    yield take
    load_probe.cache_clear()


@pytest.mark.parametrize(
    ("target", "libraries", "modules", "extra"),
    [
        (Mysql(host="127.0.0.1"), ["aiomysql"], ["types.mysql"], "mysql"),
        (Mongodb(host="127.0.0.1"), ["bson"], ["types.mongodb"], "mongo"),
        (Rabbitmq(host="127.0.0.1", username="ann"), ["pamqp"], ["types.rabbitmq", "protocols.amqp"], "rabbitmq"),
        (Grpc(host="127.0.0.1", port=9), ["grpc", "grpc_reflection"], ["types.grpc", "protocols.grpc_calls"], "grpc"),
        (Http(url="http://127.0.0.1/", auth=Ntlm(username="ann", password="x")), ["spnego"], ["http.ntlm"], "ntlm"),
    ],
)
async def test_a_worker_without_a_types_library_names_the_extra_that_brings_it(
    check, without, target, libraries, modules, extra
):
    without(libraries, *modules)
    with capture_logs() as lines:
        outcome = await check(target)
    type_ = target.__struct_config__.tag
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        f"this worker lacks the library for {type_}; `just extra {extra}` installs it",
    )
    assert [(line["event"], line["log_level"], line["extra"]) for line in lines] == [
        ("probe.library_missing", "warning", extra)
    ]


async def test_a_module_that_no_extra_brings_is_a_fault_of_ours(check, without):
    without(["asyncssh"], "types.ssh")
    outcome = await check(Ssh(host="127.0.0.1"))
    assert (outcome.status, outcome.message) == (
        UNKNOWN,
        "a fault in Watchkeeper (ModuleNotFoundError); its log has more",
    )


async def test_tcp_connects_and_sends_nothing(check):
    async with serving(answering()) as target:
        outcome = await check(Tcp(host="localhost", port=target.port), detailed=True)
    assert (outcome.status, target.heads) == (UP, [])
    assert outcome.detail == {"address": "127.0.0.1"}


async def test_a_probe_context_closes_without_running_checks(settings):
    context = await open_probe_context(settings)
    await context.close()
    assert context.http.closed
