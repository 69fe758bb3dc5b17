"""Acknowledgements by link: what the link in an alert shows, and acknowledging its incident."""

from msgspec import Struct

from app import db
from app.errors import NoSuch
from app.store.incidents import incident_rows, incidents
from app.store.incidents.incidents import IncidentChange
from schema.incidents import Incident


class AckContext(Struct, frozen=True):
    """An incident, and the name of the channel that alerted."""

    incident: Incident
    channel: str


async def get_context(incident_id: str, channel_id: str) -> AckContext:
    """The incident and channel of a link. Raises NoSuch when either was deleted."""
    incident = incident_rows.incident_of(await incident_rows.get_row(incident_id))
    channels = await db.rows("SELECT name FROM channels WHERE id = ?1 AND NOT is_temporary", channel_id)
    if not channels:
        raise NoSuch("channel", channel_id)
    return AckContext(incident, channels[0]["name"])


async def acknowledge(context: AckContext) -> IncidentChange:
    """Acknowledge the incident for the holder of the link. Raises NoSuch, Conflict for a resolved one."""
    return await incidents.acknowledge(context.incident.id, f"a link sent to {context.channel}")
