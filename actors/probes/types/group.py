"""Evaluates the states of a group's members, without a connection: their own checks set them."""

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from app.db import TRANSIENT_ERRORS
from app.domain.monitoring.groups import group_status
from app.errors import Unavailable
from app.store.monitoring import groups
from schema.status import Status
from schema.targets import Group


async def probe(target: Group, check: RunningCheck) -> ProbeResult:
    """Evaluate the members' current states."""
    del check
    try:
        statuses = await groups.member_statuses(target.members)
    except (Unavailable, *TRANSIENT_ERRORS) as error:
        raise CheckInconclusive("our own database does not answer") from error
    status, message = group_status(target, statuses)
    if status is Status.DOWN:
        raise TargetFailed(message)
    if status is Status.UNKNOWN:
        raise CheckInconclusive(message)
    return ProbeResult(status, message=message)
