"""Ad hoc probes: check a target once and put the result on the caller's reply list. Nothing is stored."""

import msgspec
import structlog

from actors.probes import ProbeContext, run_probe
from app import queue
from app.clock import now_ms
from app.domain.parsing.hosts import with_wire_hosts
from app.security.secrets import sealing
from schema.jobs import AdHocProbe, CheckOutcome, Slot, reply_key
from schema.monitors import Snapshot
from schema.proxies import ProxyConfig
from schema.status import Status
from schema.targets import TARGETS, Target

REPLY_TTL_S = 60  # of a reply that nobody fetched

log = structlog.get_logger()


async def run(job: AdHocProbe, context: ProbeContext) -> None:
    """Run the probe and push its outcome to the reply list."""
    outcome = await _outcome(job, context)
    key = reply_key(job.token)
    async with queue.client().pipeline(transaction=True) as pipe:
        pipe.rpush(key, msgspec.json.encode(outcome))
        pipe.expire(key, REPLY_TTL_S)
        await pipe.execute()


async def _outcome(job: AdHocProbe, context: ProbeContext) -> CheckOutcome:
    slot = Slot(series=0, version=0, at_ms=now_ms(), early=True)
    try:
        target = sealing.decrypt_secrets(job.encrypted_target, TARGETS[job.type])
        proxy = sealing.decrypt_secrets(job.proxy, ProxyConfig) if job.proxy else None
    except (sealing.DecryptionFailed, KeyError, msgspec.ValidationError) as error:
        log.warning("probe.request_unreadable", type=job.type, error=type(error).__name__)
        return CheckOutcome(
            0, 0, slot.at_ms, Status.UNKNOWN, message="this worker can't read it: another key or version"
        )
    return await run_probe(slot, _snapshot(target, job.timeout_ms, proxy), context, detailed=True)


def _snapshot(target: Target, timeout_ms: int, proxy: ProxyConfig | None) -> Snapshot:
    """A stand-in monitor. A probe reads only its target, timeout and proxy."""
    return Snapshot(
        series=0,
        version=0,
        monitor_id="",
        name="",
        target=with_wire_hosts(target),
        interval_ms=timeout_ms,
        timeout_ms=timeout_ms,
        retry_ms=timeout_ms,
        max_retries=0,
        resend_interval=0,
        upside_down=False,
        proxy=proxy,
    )
