"""Eyes: one file per monitor type. This file is the only place that waits, times and catches."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from importlib import import_module
from time import perf_counter_ns, time_ns
from typing import Any, cast

import structlog
from msgspec.structs import replace

from actors.probes.kit import expiring, stalls
from actors.probes.kit.bounded_body import READING_BODY
from actors.probes.kit.connectivity import UPLINK_DOWN
from actors.probes.kit.context import ProbeContext, RunningCheck, open_probe_context
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.redaction import redact_result
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.kit.threads import WORKING_IN_THREAD, run_in_thread
from app.clock_watch import TimeLimit
from app.domain import config_rules
from app.domain.parsing import sanitize
from app.domain.parsing.invalid_field import InvalidField
from app.domain.parsing.plain_text import truncate
from app.domain.validation.assertions import CheckFacts, evaluate_assertions, is_costly
from app.security.network.egress import EgressDenied
from app.security.network.resolver import RESOLVING_NOTE
from schema.assertions import Assertion, Value
from schema.heartbeat_texts import NO_ANSWER
from schema.jobs import CheckOutcome, ExpiringItem, Slot
from schema.monitors import Snapshot, UnreadableTarget
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
from schema.targets.extras import extra_for_import

__all__ = [
    "PROBES",
    "CheckInconclusive",
    "ProbeContext",
    "ProbeResult",
    "RunningCheck",
    "TargetFailed",
    "open_probe_context",
    "run_probe",
]

Probe = Callable[[Any, RunningCheck], Awaitable[ProbeResult]]

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


async def run_probe(slot: Slot, snapshot: Snapshot, tools: ProbeContext, *, detailed: bool = False) -> CheckOutcome:
    """Probe once and say what was seen. Never raises for what the target did.

    detailed    keep what a person wants to see of a passing check too; early slots always do
    """
    probe = _probe_or_fallback(type(snapshot.target))  # before the clock starts: its first import takes a while
    met = expiring.start_collecting()
    asked = RunningCheck(slot, snapshot, tools, detailed or slot.early)
    began_ms, began_ns = time_ns() // 1_000_000, perf_counter_ns()
    limit = TimeLimit(snapshot.timeout_ms / 1000)
    seen = await _call_probe(probe, asked, limit)
    took_us = (perf_counter_ns() - began_ns) // 1000
    if not _is_final(seen, snapshot):
        seen = await _post_process(seen, snapshot, took_us)
    seen = stalls.unknown_if_stalled(seen, slot.series, limit)
    return CheckOutcome(
        slot.series,
        snapshot.version,
        slot.at_ms,
        seen.status,
        began_ms,
        took_us,
        seen.code,
        truncate(seen.message, MESSAGE_LIMIT),
        seen.detail,
        slot.early,
        seen.recheck_ms,
        _sanitize_expiring(expiring.soonest(met)) if met else None,
    )


def _is_final(seen: ProbeResult, snapshot: Snapshot) -> bool:
    """Whether there is nothing in it that must be weighed, masked or made plain: an everyday success."""
    if seen.message or seen.detail or getattr(snapshot.target, "assertions", None):
        return False
    return sanitize.message_code(seen.code) == seen.code


async def _post_process(seen: ProbeResult, snapshot: Snapshot, took_us: int) -> ProbeResult:
    """What was seen, with assertions weighed, secrets masked, and its words made plain; whatever goes wrong with it."""
    assertions = getattr(snapshot.target, "assertions", ())
    try:
        if assertions and seen.status in PASSING:
            seen = await _apply_assertions(seen, assertions, took_us / 1_000_000)
        return await _sanitize(seen, snapshot)
    except Exception as error:  # noqa: BLE001  # told as what it is: our own fault
        return _result_from(_internal_error(error, snapshot))


async def _sanitize(seen: ProbeResult, snapshot: Snapshot) -> ProbeResult:
    """Words and facts as everything behind us can take them, without secrets."""
    code, words, detail = (
        sanitize.message_code(seen.code),
        sanitize.single_line(seen.message, RAW_LIMIT),
        sanitize.bounded_detail(seen.detail),
    )
    if code != seen.code and not words:
        words = f"answered {seen.code}"
    return await redact_result(replace(seen, code=code, message=words, detail=detail), snapshot)


def _sanitize_expiring(one: ExpiringItem | None) -> ExpiringItem | None:
    """What expires, with its names made plain."""
    if one is None:
        return None
    identity, name, issuer = (sanitize.single_line(text, NAME_LIMIT) for text in (one.identity, one.name, one.issuer))
    return ExpiringItem(one.kind, identity, name, issuer, sanitize.clamp_epoch_ms(one.expires_ms))


async def _apply_assertions(seen: ProbeResult, assertions: Sequence[Assertion], took_s: float) -> ProbeResult:
    """What a passing answer is once its assertions are weighed; the worse of the two counts."""
    facts = CheckFacts(took_s, seen.value, seen.certificate_days)
    compared = [(one.operator, one.expected) for one in assertions if isinstance(one, Value)]
    if compared and is_costly(compared, seen.value):
        status, words = await run_in_thread(evaluate_assertions, assertions, facts)
    else:
        status, words = evaluate_assertions(assertions, facts)
    if status is Status.UP or (status is seen.status):
        return seen
    return ProbeResult(status, 0, words, seen.detail)


@cache
def load_probe(target: type) -> Probe:
    """The coroutine that checks targets of this type."""
    return cast("Probe", import_module(f"{__name__}.types.{PROBES[target]}").probe)


def _probe_or_fallback(target: type) -> Probe:
    """The probe, or one that says why there is none: whatever goes wrong is told in one place."""
    if target is UnreadableTarget:
        return _report_unreadable
    try:
        return load_probe(target)
    except Exception as error:  # noqa: BLE001  # out of descriptors at the first import, or a broken installation
        return partial(_raise_load_error, error)


async def _report_unreadable(_target: Any, _asked: RunningCheck) -> ProbeResult:
    raise CheckInconclusive("this worker can't read the monitor's configuration: another key or version")


async def _raise_load_error(error: Exception, _target: Any, _asked: RunningCheck) -> ProbeResult:
    raise error


async def _call_probe(probe: Probe, asked: RunningCheck, limit: TimeLimit) -> ProbeResult:
    """What the probe says, whichever way it says it."""
    try:
        async with limit:
            return await probe(asked.snapshot.target, asked)
    except InvalidField as error:
        return _result_from(_invalid_config(error))
    except (TargetFailed, CheckInconclusive) as error:
        said = _explain_inconclusive(error, asked).with_traceback(
            None
        )  # which leads here again: nothing would free the check's own
    except EgressDenied as refused:
        return _result_from(CheckInconclusive(str(refused)))
    except TimeoutError as late:
        said = _classify_timeout(late, limit.seconds)
    except OSError as error:
        said = classify_os_error(error)
    except Exception as error:  # noqa: BLE001  # told as what it is: our own fault
        return _result_from(_internal_error(error, asked.snapshot))
    return _result_from(said) if stalls.lost_s(limit) else await _checked_against_uplink(said, asked)


async def _checked_against_uplink(said: TargetFailed | CheckInconclusive, asked: RunningCheck) -> ProbeResult:
    """What was said, once our own way out is taken into account."""
    uplink = asked.context.uplink
    if isinstance(said, CheckInconclusive):
        if said.network:
            uplink.record_blocked(asked.slot.series)
    elif await uplink.explains_failure(asked.snapshot):
        uplink.record_blocked(asked.slot.series)
        return _result_from(CheckInconclusive(f"{UPLINK_DOWN} ({said})"))
    return _result_from(said)


def _explain_inconclusive(
    said: TargetFailed | CheckInconclusive, asked: RunningCheck
) -> TargetFailed | CheckInconclusive:
    """The same; where it is the config that keeps us from asking, which field of it."""
    if isinstance(said, TargetFailed) or said.network:
        return said
    return _config_error(asked.snapshot) or said


def _invalid_config(error: InvalidField) -> CheckInconclusive:
    """What is said of a config that was stored before it was looked at as closely as today."""
    return CheckInconclusive(f"the configuration can't be used: {error}")


def _config_error(snapshot: Snapshot) -> CheckInconclusive | None:
    """What of the config would be refused today, where we are the ones who can't ask."""
    try:
        wrong = next(iter(config_rules.field_errors(snapshot.target)), None)
    except (ImportError, OSError):  # out of descriptors, at a library's first import: what is said already stands
        return None
    return _invalid_config(InvalidField(wrong.field, wrong.message)) if wrong else None


def _internal_error(error: Exception, snapshot: Snapshot) -> CheckInconclusive:
    """What keeps us from checking: a library that this installation lacks, or a bug."""
    type_ = str(snapshot.target.__struct_config__.tag)
    if isinstance(error, ImportError) and (extra := extra_for_import(type_, error.name or "")):
        log.warning("probe.lacks_library", type=type_, monitor_id=snapshot.monitor_id, extra=extra)
        return CheckInconclusive(f"this worker lacks the library for {type_}; install watchkeeper[{extra}]")
    if invalid := _config_error(snapshot):
        return invalid
    log.error("probe.broke", type=type_, monitor_id=snapshot.monitor_id, exc_info=error)
    return CheckInconclusive(f"a fault in Watchkeeper ({type(error).__name__}); its log has more")


def _classify_timeout(late: TimeoutError, limit_s: float) -> TargetFailed | CheckInconclusive:
    """Whose time it was that ran out."""
    if late.errno:
        return classify_os_error(late)
    notes = getattr(late.__cause__, "__notes__", ())
    if READING_BODY in notes:
        return TargetFailed(f"the answer did not end within {limit_s:g} s", code=NO_ANSWER)
    if WORKING_IN_THREAD in notes:
        return CheckInconclusive(f"what came could not be looked through within {limit_s:g} s")
    if RESOLVING_NOTE in notes:
        return CheckInconclusive(f"no answer from a name server within {limit_s:g} s", network=True)
    return TargetFailed(f"no answer within {limit_s:g} s", code=NO_ANSWER)


def _result_from(said: TargetFailed | CheckInconclusive) -> ProbeResult:
    message = str(said)
    if isinstance(said, TargetFailed):
        return ProbeResult(Status.DOWN, said.code, message, said.detail)
    return ProbeResult(Status.UNKNOWN, 0, message)
