"""Repeats the status that a person has set."""

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from schema.status import Status
from schema.targets import Manual
from schema.targets.composed import ManualStatus


async def probe(target: Manual, check: RunningCheck) -> ProbeResult:
    """The last status."""
    del check
    if target.status is ManualStatus.DOWN:
        raise TargetFailed(target.message or "set to down")
    status = Status.UP if target.status is ManualStatus.UP else Status.DEGRADED
    return ProbeResult(status, message=target.message)
