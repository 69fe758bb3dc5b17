"""Acknowledgements by link: what the link in an alert shows, and acknowledging its incident."""

import msgspec
from msgspec import Struct

from app.errors import NoSuch
from app.store.incidents import incident_rows, incidents
from app.store.incidents.incidents import IncidentChange
from app.store.tables.channels import ChannelRow
from schema.channels.rules import ChannelRules
from schema.incidents import Incident


class AckContext(Struct, frozen=True):
    """An incident, and the name and time zone of the channel that alerted.

    timezone    None: that of the server
    """

    incident: Incident
    channel: str
    timezone: str | None


async def get_context(incident_id: str, channel_id: str) -> AckContext:
    """The incident and channel of a link. Raises NoSuch when either was deleted."""
    incident = incident_rows.incident_of(await incident_rows.get_row(incident_id))
    is_channel = (ChannelRow.id == channel_id) & ChannelRow.is_temporary.eq(value=False)
    channel = await ChannelRow.select(ChannelRow.name, ChannelRow.rules).where(is_channel).first()
    if channel is None:
        raise NoSuch("channel", channel_id)
    rules = msgspec.json.decode(channel["rules"], type=ChannelRules)
    return AckContext(incident, channel["name"], rules.timezone)


async def acknowledge(context: AckContext) -> IncidentChange:
    """Acknowledge the incident for the holder of the link. Raises NoSuch, Conflict for a resolved one."""
    return await incidents.acknowledge(context.incident.id, f"a link sent to {context.channel}")
