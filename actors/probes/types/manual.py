"""Repeats what a person said."""

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from schema.status import Status
from schema.targets import Manual
from schema.targets.composed import SaidStatus


async def probe(target: Manual, asked: Asked) -> Seen:
    """What was said last."""
    del asked
    if target.status is SaidStatus.DOWN:
        raise Failed(target.message or "set to down")
    status = Status.UP if target.status is SaidStatus.UP else Status.DEGRADED
    return Seen(status, message=target.message)
