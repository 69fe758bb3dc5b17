"""Eyes: one file per monitor type. This file is the only place that waits, times and catches."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from importlib import import_module
from time import perf_counter_ns, time_ns
from typing import Any, cast

import structlog
from msgspec.structs import replace

from actors.probes.kit import expiring, stalls
from actors.probes.kit.bounded_body import UNENDED
from actors.probes.kit.connectivity import GONE
from actors.probes.kit.context import Asked, Tools, open_tools
from actors.probes.kit.errors import of_system
from actors.probes.kit.redaction import masked
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.kit.threads import WORKING, off_loop
from app.clock_watch import Limit
from app.domain import config_rules
from app.domain.parsing import sanitize
from app.domain.parsing.invalid_field import InvalidField
from app.domain.text.formatting import cut
from app.domain.validation.assertions import Facts, is_costly, weigh
from app.security.network.egress import Refused
from app.security.network.resolver import NAMING
from schema.assertions import Assertion, Value
from schema.heartbeat_texts import NO_ANSWER
from schema.jobs import Ends, Outcome, Slot
from schema.monitors import Snapshot, Unreadable
from schema.status import Status
from schema.targets import (
    Dns,
    Docker,
    Domain,
    Group,
    Grpc,
    Http,
    KafkaProducer,
    Ldap,
    Mail,
    Manual,
    Mongodb,
    Mqtt,
    Mysql,
    Ntp,
    Ping,
    Postgres,
    Push,
    Rabbitmq,
    Redis,
    Snmp,
    Sqlserver,
    Ssh,
    Ssl,
    Steam,
    Tcp,
    Website,
    WebSocket,
)
from schema.targets.extras import missing

__all__ = ["PROBES", "Asked", "Failed", "Seen", "Tools", "Unsure", "open_tools", "outcome_of"]

Probe = Callable[[Any, Asked], Awaitable[Seen]]

# Modules by name, imported when first needed: their libraries are half of a small worker's memory.
PROBES: dict[type, str] = {
    Http: "http",
    Tcp: "tcp",
    Ping: "ping",
    Dns: "dns",
    Push: "push",
    Redis: "redis",
    Postgres: "postgres",
    Ssh: "ssh",
    Ntp: "ntp",
    Ssl: "ssl",
    Mysql: "mysql",
    Ldap: "ldap",
    Mail: "mail",
    Mongodb: "mongodb",
    Website: "website",
    Snmp: "snmp",
    Mqtt: "mqtt",
    Grpc: "grpc",
    Rabbitmq: "rabbitmq",
    Group: "group",
    Manual: "manual",
    Docker: "docker",
    WebSocket: "websocket",
    Steam: "steam",
    Domain: "domain",
    KafkaProducer: "kafka_producer",
    Sqlserver: "sqlserver",
}
PASSING = (Status.UP, Status.DEGRADED)
MESSAGE_LIMIT = 500  # characters; targets choose some of the words
RAW_LIMIT = 4_000  # of a message in which secrets are still to be masked: cutting one in half would show the half
NAME_LIMIT = 300  # of whose certificate or domain ends

log = structlog.get_logger(__name__)


async def outcome_of(slot: Slot, snapshot: Snapshot, tools: Tools, *, detailed: bool = False) -> Outcome:
    """Probe once and say what was seen. Never raises for what the target did.

    detailed    keep what a person wants to see of a passing check too; early slots always do
    """
    probe = _ready(type(snapshot.target))  # before the clock starts: its first import takes a while
    met = expiring.begin()
    asked = Asked(slot, snapshot, tools, detailed or slot.early)
    began_ms, began_ns = time_ns() // 1_000_000, perf_counter_ns()
    limit = Limit(snapshot.timeout_ms / 1000)
    seen = await _answer(probe, asked, limit)
    took_us = (perf_counter_ns() - began_ns) // 1000
    if not _is_plain(seen, snapshot):
        seen = await _described(seen, snapshot, took_us)
    seen = stalls.weighed(seen, slot.series, limit)
    return Outcome(
        slot.series,
        snapshot.version,
        slot.at_ms,
        seen.status,
        began_ms,
        took_us,
        seen.code,
        cut(seen.message, MESSAGE_LIMIT),
        seen.detail,
        slot.early,
        seen.look_ms,
        _plain_ends(expiring.soonest(met)) if met else None,
    )


def _is_plain(seen: Seen, snapshot: Snapshot) -> bool:
    """Whether there is nothing in it that must be weighed, masked or made plain: an everyday success."""
    if seen.message or seen.detail or getattr(snapshot.target, "assertions", None):
        return False
    return sanitize.code(seen.code) == seen.code


async def _described(seen: Seen, snapshot: Snapshot, took_us: int) -> Seen:
    """What was seen, with assertions weighed, secrets masked, and its words made plain; whatever goes wrong with it."""
    assertions = getattr(snapshot.target, "assertions", ())
    try:
        if assertions and seen.status in PASSING:
            seen = await _asserted(seen, assertions, took_us / 1_000_000)
        return await _plain(seen, snapshot)
    except Exception as error:  # noqa: BLE001  # told as what it is: our own fault
        return _seen(_ours(error, snapshot))


async def _plain(seen: Seen, snapshot: Snapshot) -> Seen:
    """Words and facts as everything behind us can take them, without secrets."""
    code, words, detail = (
        sanitize.code(seen.code),
        sanitize.sentence(seen.message, RAW_LIMIT),
        sanitize.facts(seen.detail),
    )
    if code != seen.code and not words:
        words = f"answered {seen.code}"
    return await masked(replace(seen, code=code, message=words, detail=detail), snapshot)


def _plain_ends(one: Ends | None) -> Ends | None:
    """What expires, with its names made plain."""
    if one is None:
        return None
    identity, name, issuer = (sanitize.sentence(text, NAME_LIMIT) for text in (one.identity, one.name, one.issuer))
    return Ends(one.kind, identity, name, issuer, sanitize.instant_ms(one.ends_ms))


async def _asserted(seen: Seen, assertions: Sequence[Assertion], took_s: float) -> Seen:
    """What a passing answer is once its assertions are weighed; the worse of the two counts."""
    facts = Facts(took_s, seen.value, seen.certificate_days)
    compared = [(one.operator, one.expected) for one in assertions if isinstance(one, Value)]
    if compared and is_costly(compared, seen.value):
        status, words = await off_loop(weigh, assertions, facts)
    else:
        status, words = weigh(assertions, facts)
    if status is Status.UP or (status is seen.status):
        return seen
    return Seen(status, 0, words, seen.detail)


@cache
def probe_of(target: type) -> Probe:
    """The coroutine that checks targets of this type."""
    return cast("Probe", import_module(f"{__name__}.types.{PROBES[target]}").probe)


def _ready(target: type) -> Probe:
    """The probe, or one that says why there is none: whatever goes wrong is told in one place."""
    if target is Unreadable:
        return _unreadable
    try:
        return probe_of(target)
    except Exception as error:  # noqa: BLE001  # out of descriptors at the first import, or a broken installation
        return partial(_broken, error)


async def _unreadable(_target: Any, _asked: Asked) -> Seen:
    raise Unsure("this worker can't read the monitor's configuration: another key or version")


async def _broken(error: Exception, _target: Any, _asked: Asked) -> Seen:
    raise error


async def _answer(probe: Probe, asked: Asked, limit: Limit) -> Seen:
    """What the probe says, whichever way it says it."""
    try:
        async with limit:
            return await probe(asked.snapshot.target, asked)
    except InvalidField as error:
        return _seen(_unusable(error))
    except (Failed, Unsure) as error:
        said = _clear(error, asked).with_traceback(None)  # which leads here again: nothing would free the check's own
    except Refused as refused:
        return _seen(Unsure(str(refused)))
    except TimeoutError as late:
        said = _lateness(late, limit.seconds)
    except OSError as error:
        said = of_system(error)
    except Exception as error:  # noqa: BLE001  # told as what it is: our own fault
        return _seen(_ours(error, asked.snapshot))
    return _seen(said) if stalls.lost_s(limit) else await _weighed(said, asked)


async def _weighed(said: Failed | Unsure, asked: Asked) -> Seen:
    """What was said, once our own way out is taken into account."""
    uplink = asked.tools.uplink
    if isinstance(said, Unsure):
        if said.network:
            uplink.missed(asked.slot.series)
    elif await uplink.is_to_blame(asked.snapshot):
        uplink.missed(asked.slot.series)
        return _seen(Unsure(f"{GONE} ({said})"))
    return _seen(said)


def _clear(said: Failed | Unsure, asked: Asked) -> Failed | Unsure:
    """The same; where it is the config that keeps us from asking, which field of it."""
    if isinstance(said, Failed) or said.network:
        return said
    return _invalid(asked.snapshot) or said


def _unusable(error: InvalidField) -> Unsure:
    """What is said of a config that was stored before it was looked at as closely as today."""
    return Unsure(f"the configuration can't be used: {error}")


def _invalid(snapshot: Snapshot) -> Unsure | None:
    """What of the config would be refused today, where we are the ones who can't ask."""
    try:
        wrong = next(iter(config_rules.field_errors(snapshot.target)), None)
    except (ImportError, OSError):  # out of descriptors, at a library's first import: what is said already stands
        return None
    return _unusable(InvalidField(wrong.field, wrong.message)) if wrong else None


def _ours(error: Exception, snapshot: Snapshot) -> Unsure:
    """What keeps us from checking: a library that this installation lacks, or a bug."""
    type_ = str(snapshot.target.__struct_config__.tag)
    if isinstance(error, ImportError) and (extra := missing(type_, error.name or "")):
        log.warning("probe.lacks_library", type=type_, monitor_id=snapshot.monitor_id, extra=extra)
        return Unsure(f"this worker lacks the library for {type_}; install watchkeeper[{extra}]")
    if invalid := _invalid(snapshot):
        return invalid
    log.error("probe.broke", type=type_, monitor_id=snapshot.monitor_id, exc_info=error)
    return Unsure(f"a fault in Watchkeeper ({type(error).__name__}); its log has more")


def _lateness(late: TimeoutError, limit_s: float) -> Failed | Unsure:
    """Whose time it was that ran out."""
    if late.errno:
        return of_system(late)
    notes = getattr(late.__cause__, "__notes__", ())
    if UNENDED in notes:
        return Failed(f"the answer did not end within {limit_s:g} s", code=NO_ANSWER)
    if WORKING in notes:
        return Unsure(f"what came could not be looked through within {limit_s:g} s")
    if NAMING in notes:
        return Unsure(f"no answer from a name server within {limit_s:g} s", network=True)
    return Failed(f"no answer within {limit_s:g} s", code=NO_ANSWER)


def _seen(said: Failed | Unsure) -> Seen:
    message = str(said)
    if isinstance(said, Failed):
        return Seen(Status.DOWN, said.code, message, said.detail)
    return Seen(Status.UNKNOWN, 0, message)
