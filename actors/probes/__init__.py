"""Runs one probe: the registry of monitor types, the timeout, and what becomes of every error."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache, partial
from importlib import import_module
from time import perf_counter_ns
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
from app import clock
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

# Modules by name, imported on first use: their libraries take half of a small worker's memory.
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
MESSAGE_LIMIT = 500  # characters; part of the text comes from targets
RAW_LIMIT = 4_000  # of a message whose secrets are not masked yet: truncating inside a secret would show its first half
NAME_LIMIT = 300  # of the name on a certificate or domain that expires

log = structlog.get_logger(__name__)


async def run_probe(slot: Slot, snapshot: Snapshot, context: ProbeContext, *, detailed: bool = False) -> CheckOutcome:
    """Run one check and return its outcome. Never raises for what the target did.

    detailed    keep the detail of a passing check too; early slots always do
    """
    probe = _probe_or_fallback(type(snapshot.target))  # before the clock starts: the first import takes a while
    expiring_items = expiring.start_collecting()
    check = RunningCheck(slot, snapshot, context, detailed or slot.early)
    began_ms, began_ns = clock.now_ms(), perf_counter_ns()
    limit = TimeLimit(snapshot.timeout_ms / 1000)
    result = await _call_probe(probe, check, limit)
    took_us = (perf_counter_ns() - began_ns) // 1000
    if not _is_final(result, snapshot):
        result = await _post_process(result, snapshot, took_us)
    result = stalls.unknown_if_stalled(result, slot.series, limit)
    return CheckOutcome(
        slot.series,
        snapshot.version,
        slot.at_ms,
        result.status,
        began_ms,
        took_us,
        result.code,
        truncate(result.message, MESSAGE_LIMIT),
        result.detail,
        slot.early,
        result.recheck_ms,
        _sanitize_expiring(expiring.soonest(expiring_items)) if expiring_items else None,
    )


def _is_final(result: ProbeResult, snapshot: Snapshot) -> bool:
    """Whether a result needs no assertions, masking or sanitizing, as an ordinary success does."""
    if result.message or result.detail or getattr(snapshot.target, "assertions", None):
        return False
    return sanitize.message_code(result.code) == result.code


async def _post_process(result: ProbeResult, snapshot: Snapshot, took_us: int) -> ProbeResult:
    """Apply assertions, mask secrets and sanitize the texts; an error on the way becomes an UNKNOWN result."""
    assertions = getattr(snapshot.target, "assertions", ())
    try:
        if assertions and result.status in PASSING:
            result = await _apply_assertions(result, assertions, took_us / 1_000_000)
        return await _sanitize(result, snapshot)
    except Exception as error:  # noqa: BLE001  # our own bug, reported as UNKNOWN
        return _result_from(_internal_error(error, snapshot))


async def _sanitize(result: ProbeResult, snapshot: Snapshot) -> ProbeResult:
    """Texts and detail that everything downstream accepts, with secrets masked."""
    code, message, detail = (
        sanitize.message_code(result.code),
        sanitize.single_line(result.message, RAW_LIMIT),
        sanitize.bounded_detail(result.detail),
    )
    if code != result.code and not message:
        message = f"answered {result.code}"
    return await redact_result(replace(result, code=code, message=message, detail=detail), snapshot)


def _sanitize_expiring(item: ExpiringItem | None) -> ExpiringItem | None:
    """The expiring item with its names sanitized."""
    if item is None:
        return None
    identity, name, issuer = (
        sanitize.single_line(text, NAME_LIMIT) for text in (item.identity, item.name, item.issuer)
    )
    return ExpiringItem(item.kind, identity, name, issuer, sanitize.clamp_epoch_ms(item.expires_ms))


async def _apply_assertions(result: ProbeResult, assertions: Sequence[Assertion], took_s: float) -> ProbeResult:
    """The result after its assertions are evaluated; the worse of the two statuses counts."""
    facts = CheckFacts(took_s, result.value, result.certificate_days)
    compared = [(one.operator, one.expected) for one in assertions if isinstance(one, Value)]
    if compared and is_costly(compared, result.value):
        status, message = await run_in_thread(evaluate_assertions, assertions, facts)
    else:
        status, message = evaluate_assertions(assertions, facts)
    if status is Status.UP or (status is result.status):
        return result
    return ProbeResult(status, 0, message, result.detail)


@cache
def load_probe(target: type) -> Probe:
    """The coroutine that checks targets of this type."""
    return cast("Probe", import_module(f"{__name__}.types.{PROBES[target]}").probe)


def _probe_or_fallback(target: type) -> Probe:
    """The probe, or a function that reports why there is none, so that `_call_probe` handles every error."""
    if target is UnreadableTarget:
        return _report_unreadable
    try:
        return load_probe(target)
    except Exception as error:  # noqa: BLE001  # out of descriptors at the first import, or a broken installation
        return partial(_raise_load_error, error)


async def _report_unreadable(_target: Any, _check: RunningCheck) -> ProbeResult:
    raise CheckInconclusive("this worker can't read the monitor's configuration: another key or version")


async def _raise_load_error(error: Exception, _target: Any, _check: RunningCheck) -> ProbeResult:
    raise error


async def _call_probe(probe: Probe, check: RunningCheck, limit: TimeLimit) -> ProbeResult:
    """Run the probe within the limit, and turn whatever it raises into a result."""
    try:
        async with limit:
            return await probe(check.snapshot.target, check)
    except InvalidField as error:
        return _result_from(_invalid_config(error))
    except (TargetFailed, CheckInconclusive) as error:
        failure = _explain_inconclusive(error, check)
        failure.with_traceback(None)  # it leads to this frame: a cycle would keep the check's objects alive
    except EgressDenied as denied:
        return _result_from(CheckInconclusive(str(denied)))
    except TimeoutError as timeout:
        failure = _classify_timeout(timeout, limit.seconds)
    except OSError as error:
        failure = classify_os_error(error)
    except Exception as error:  # noqa: BLE001  # our own bug, reported as UNKNOWN
        return _result_from(_internal_error(error, check.snapshot))
    return _result_from(failure) if stalls.lost_s(limit) else await _checked_against_uplink(failure, check)


async def _checked_against_uplink(failure: TargetFailed | CheckInconclusive, check: RunningCheck) -> ProbeResult:
    """The result of a failure, or UNKNOWN when our own uplink explains it."""
    uplink = check.context.uplink
    if isinstance(failure, CheckInconclusive):
        if failure.network:
            uplink.record_blocked(check.slot.series)
    elif await uplink.explains_failure(check.snapshot):
        uplink.record_blocked(check.slot.series)
        return _result_from(CheckInconclusive(f"{UPLINK_DOWN} ({failure})"))
    return _result_from(failure)


def _explain_inconclusive(
    failure: TargetFailed | CheckInconclusive, check: RunningCheck
) -> TargetFailed | CheckInconclusive:
    """The same failure; when an invalid config kept us from checking, the error that names the field."""
    if isinstance(failure, TargetFailed) or failure.network:
        return failure
    return _config_error(check.snapshot) or failure


def _invalid_config(error: InvalidField) -> CheckInconclusive:
    """For a config that was stored before its rules were as strict as today."""
    return CheckInconclusive(f"the configuration can't be used: {error}")


def _config_error(snapshot: Snapshot) -> CheckInconclusive | None:
    """The first error that today's rules find in the config."""
    try:
        field_error = next(iter(config_rules.field_errors(snapshot.target)), None)
    except (ImportError, OSError):  # out of descriptors at a library's first import: the error at hand is enough
        return None
    return _invalid_config(InvalidField(field_error.field, field_error.message)) if field_error else None


def _internal_error(error: Exception, snapshot: Snapshot) -> CheckInconclusive:
    """Why we could not check: a library that this installation lacks, or a bug."""
    type_ = str(snapshot.target.__struct_config__.tag)
    if isinstance(error, ImportError) and (extra := extra_for_import(type_, error.name or "")):
        log.warning("probe.library_missing", type=type_, monitor_id=snapshot.monitor_id, extra=extra)
        return CheckInconclusive(f"this worker lacks the library for {type_}; `just extra {extra}` installs it")
    if invalid := _config_error(snapshot):
        return invalid
    log.error("probe.crashed", type=type_, monitor_id=snapshot.monitor_id, exc_info=error)
    return CheckInconclusive(f"a fault in Watchkeeper ({type(error).__name__}); its log has more")


def _classify_timeout(timeout: TimeoutError, limit_s: float) -> TargetFailed | CheckInconclusive:
    """What ran out of time: the target, name resolution, or our own work."""
    if timeout.errno:
        return classify_os_error(timeout)
    notes = getattr(timeout.__cause__, "__notes__", ())
    if READING_BODY in notes:
        return TargetFailed(f"the answer did not end within {limit_s:g} s", code=NO_ANSWER)
    if WORKING_IN_THREAD in notes:
        return CheckInconclusive(f"what came could not be looked through within {limit_s:g} s")
    if RESOLVING_NOTE in notes:
        return CheckInconclusive(f"no answer from a name server within {limit_s:g} s", network=True)
    return TargetFailed(f"no answer within {limit_s:g} s", code=NO_ANSWER)


def _result_from(failure: TargetFailed | CheckInconclusive) -> ProbeResult:
    message = str(failure)
    if isinstance(failure, TargetFailed):
        return ProbeResult(Status.DOWN, failure.code, message, failure.detail)
    return ProbeResult(Status.UNKNOWN, 0, message)
