"""One check of every kind of hostile server of the fault runs: down or unknown, with a plain reason."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
import pytest

from bench.faults.hostile import handshakes, judgement
from bench.faults.hostile.judgement import Beat
from bench.faults.hostile.kinds import KINDS
from bench.faults.hostile.scripts import Kind
from bench.faults.hostile.serve import serving
from schema.jobs import CheckOutcome
from schema.targets import TARGETS
from tests.actors.probes.test_loop import HELD_S, slowness, watchdog

BRIEFLY_MS, LONG_MS = 1_500, 30_000
DETAIL_BYTES = 64_000
SERVED = [kind for kind in KINDS if not kind.refused]
NAMED = {kind.name: kind for kind in SERVED}
SAYING = {
    "http: 100 Continue without end": "the answer is not HTTP as it should be: too many interim answers",
    "http: 103 Early Hints without end": "the answer is not HTTP as it should be: too many interim answers",
    "http: a chunk's extension without end": "the body broke off",
    "http: empty gzip members without end": "the body is packed in too many pieces",
    "https: 20,000 tickets": "TLS failed: records without content do not end",
    "https: a change of keys without end": "TLS failed: the handshake does not end",
    "https: a record for each byte": "the body broke off",
    "https: a record of no length without end": "TLS failed: the handshake does not end",
    "https: alerts without end": "TLS failed: the handshake does not end",
    "https: an early change of keys without end": "TLS failed: the handshake does not end",
    "https: wishes to begin anew without end": "TLS failed: the handshake does not end",
    "ldap: 400,000 elements": "the server doesn't speak LDAP: too many elements",
    "ldap: a code of 20,000 bytes": "the server doesn't speak LDAP: a number that is too large",
    "ldap: answers to nobody without end": "the server doesn't stop talking",
    "mqtt: packets that mean nothing, without end": "the broker sends packets that nobody asked for",
    "mysql: a packet of all sizes": "the answer is longer than 1 MB",
    "pop3: capabilities without end": "the server doesn't stop talking",
    "postgres: two billion rounds of hashing": "the sign-in asks for more than 200,000 rounds of hashing",
    "rabbitmq: tables 5,000 deep": "the answer is not AMQP",
    "redis: a number of 4,000 digits": "the answer is not Redis's protocol",
    "snmp: a counter of 8,000 bytes": "the value can't be read: a number that is too large",
    "snmp: a name of 8,000 bytes": "the value can't be read: an object's name that is cut off, or too long",
    "snmp: a number of 8,000 bytes": "the value can't be read: a number that is too large",
    "sqlserver: packets without end": "the answer is not SQL Server's protocol",
    "websocket: pings without end": "'needle' is not among the first messages",
}
ENDLESS = [kind for kind in SERVED if kind.name in SAYING or "without end" in kind.name]


def target_of(kind: Kind, port: int):
    return msgspec.convert(kind.config(port), TARGETS[kind.type])


def objections(kind: Kind, outcome: CheckOutcome) -> list[str]:
    """What is wrong with an outcome."""
    beat = Beat(outcome.at_ms, outcome.status, outcome.code, outcome.message)
    size = len(msgspec.json.encode(outcome))
    return judgement.objections(kind.name, [beat]) + ([f"{kind.name}: {size} bytes"] if size > DETAIL_BYTES else [])


@pytest.mark.parametrize("type_", sorted({kind.type for kind in SERVED}))
async def test_a_hostile_server_is_down_or_unknown_for_a_plain_reason(check, type_):
    kinds = [kind for kind in SERVED if kind.type == type_]
    async with AsyncExitStack() as servers:
        targets = [target_of(kind, await servers.enter_async_context(serving(kind))) for kind in kinds]
        outcomes = await asyncio.gather(*(check(one, timeout_ms=BRIEFLY_MS, detailed=True) for one in targets))
    assert [line for kind, outcome in zip(kinds, outcomes, strict=True) for line in objections(kind, outcome)] == []


@pytest.mark.parametrize("name", SAYING)
async def test_each_hostile_server_is_reported_with_its_specific_reason(check, name):
    async with serving(NAMED[name]) as port:
        outcome = await check(target_of(NAMED[name], port), timeout_ms=LONG_MS)
    assert outcome.message == SAYING[name]


@pytest.mark.parametrize("type_", sorted({kind.type for kind in ENDLESS}))
async def test_an_endless_response_does_not_block_the_loop(on_uvloop, type_):
    """The second check is the one that counts: with the first come a library's modules."""
    kinds = [kind for kind in ENDLESS if kind.type == type_]

    async def work(check) -> dict[str, float]:
        held: dict[str, float] = {}
        for kind, target in zip(kinds, targets, strict=True):
            await check(target, timeout_ms=BRIEFLY_MS)
            async with watchdog() as dog:
                await check(target, timeout_ms=BRIEFLY_MS)
            held[kind.name] = dog.longest_s
        return held

    slow = slowness()
    async with AsyncExitStack() as servers:
        targets = [target_of(kind, await servers.enter_async_context(serving(kind))) for kind in kinds]
        held = await on_uvloop(work)
    limit_s = HELD_S * max(slow, slowness())
    assert {name: longest_s for name, longest_s in held.items() if longest_s >= limit_s} == {}


@pytest.mark.parametrize("name", [kind.name for kind in handshakes.KINDS])
async def test_a_handshake_without_end_ends_whichever_library_shakes_hands(check_on_uvloop, name):
    async with serving(NAMED[name]) as port:
        outcome = await check_on_uvloop(target_of(NAMED[name], port))
    without = handshakes.PREFERRED in name  # the end of the handshake is the reason to go on without TLS
    assert ("the server answered: no" if without else "the handshake does not end") in outcome.message


async def test_bytes_that_are_no_text_do_not_reach_the_log(check, caplog):
    async with serving(NAMED["grpc: raw bytes in a message"]) as port:
        outcome = await check(target_of(NAMED["grpc: raw bytes in a message"], port), timeout_ms=LONG_MS)
    assert outcome.message
    assert [line.getMessage() for line in caplog.records if line.exc_info] == []
