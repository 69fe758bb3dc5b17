"""Looks whether a TCP port accepts a connection."""

from asyncio import Protocol

from actors.probes.seen import Seen
from actors.probes.tools import Asked
from schema.messages import CONNECTED
from schema.targets import Tcp


async def probe(target: Tcp, asked: Asked) -> Seen:
    """Connect and hang up; not a byte is sent."""
    transport, _ = await asked.tools.egress.connect(Protocol, target.host, target.port)
    detail = {"address": transport.get_extra_info("peername")[0]} if asked.detailed else None
    transport.close()
    return Seen(code=CONNECTED, detail=detail)
