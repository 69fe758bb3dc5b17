"""Looks where the members of a group stand. Asks nobody outside: what they are was found by their own checks."""

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen, Unsure
from app.db import TROUBLE
from app.domain.monitoring.groups import status_of
from app.errors import Unavailable
from app.store.monitoring import groups
from schema.status import Status
from schema.targets import Group


async def probe(target: Group, asked: Asked) -> Seen:
    """Weigh the members as they stand at this moment."""
    del asked
    try:
        statuses = await groups.statuses(target.members)
    except (Unavailable, *TROUBLE) as error:
        raise Unsure("our own database does not answer") from error
    status, words = status_of(target, statuses)
    if status is Status.DOWN:
        raise Failed(words)
    if status is Status.UNKNOWN:
        raise Unsure(words)
    return Seen(status, message=words)
