"""Looks where the members of a group stand. Asks nobody outside: what they are was found by their own checks."""

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from app.db import TRANSIENT_ERRORS
from app.domain.monitoring.groups import group_status
from app.errors import Unavailable
from app.store.monitoring import groups
from schema.status import Status
from schema.targets import Group


async def probe(target: Group, asked: RunningCheck) -> ProbeResult:
    """Weigh the members as they stand at this moment."""
    del asked
    try:
        statuses = await groups.member_statuses(target.members)
    except (Unavailable, *TRANSIENT_ERRORS) as error:
        raise CheckInconclusive("our own database does not answer") from error
    status, words = group_status(target, statuses)
    if status is Status.DOWN:
        raise TargetFailed(words)
    if status is Status.UNKNOWN:
        raise CheckInconclusive(words)
    return ProbeResult(status, message=words)
