"""Answers by link: what somebody who was told by a channel may know of its incident, and how they acknowledge it."""

from msgspec import Struct

from app import db
from app.errors import NoSuch
from app.store.incidents import incident_rows, incidents
from app.store.incidents.incidents import Told
from schema.incidents import Incident


class Asked(Struct, frozen=True):
    """An incident, and the name of the channel that told of it."""

    incident: Incident
    channel: str


async def find(incident_id: str, channel_id: str) -> Asked:
    """What a link is about. Raises NoSuch: who is told by nobody's channel any more has nothing to answer."""
    incident = incident_rows.incident_of(await incident_rows.row_of(incident_id))
    channels = await db.rows("SELECT name FROM channels WHERE id = ?1 AND version > 0", channel_id)
    if not channels:
        raise NoSuch("channel", channel_id)
    return Asked(incident, channels[0]["name"])


async def acknowledge(asked: Asked) -> Told:
    """Acknowledge it for whoever holds the link. Raises NoSuch, Conflict for one that is resolved."""
    return await incidents.acknowledge(asked.incident.id, f"a link sent to {asked.channel}")
