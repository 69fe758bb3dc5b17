"""`watchkeeper tail`: heartbeats as they come, over the WebSocket."""

from typing import Any

import aiohttp
import msgspec

from app.client import monitors
from app.client.screen import moment, painted, plain, say
from app.client.server import Refused, Server, reason_of, why

PULSE_S = 20  # a server that answers no ping for this long is gone


async def run(server: Server, wanted: str, *, json: bool) -> int:
    """Follow all monitors, or the one of that name or id, until the server hangs up. Raises Refused."""
    names = {one["id"]: one["name"] for one in await monitors.every(server)}
    channels = [f"monitor:{monitors.id_of(wanted, names)}"] if wanted else ["heartbeats"]
    try:
        async with server.session.ws_connect(f"{server.url}/api/v1/ws", heartbeat=PULSE_S) as socket:
            await socket.send_str(msgspec.json.encode({"type": "subscribe", "channels": channels}).decode())
            async for message in socket:
                _show(msgspec.json.decode(message.data), names, json=json)
            raise Refused(f"the server closed the connection ({socket.close_code})")
    except BrokenPipeError:  # our own output, not the server
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise Refused(f"{server.url} can't be listened to: {why(error)}") from error


def _show(message: dict[str, Any], names: dict[str, str], *, json: bool) -> None:
    """A line for each heartbeat. Raises Refused when the server will not tell us any."""
    if message["type"] == "error":
        raise Refused(reason_of(message))
    for beat in message["data"] if message["type"] == "heartbeats" else ():
        say(msgspec.json.encode(beat).decode() if json else line_of(beat, names))


def line_of(beat: dict[str, Any], names: dict[str, str]) -> str:
    """Time, status, how long it took, whose it is, and what was said."""
    took = "" if beat["ping"] is None else f"{beat['ping']:.0f} ms"
    name = names.get(beat["monitor_id"], beat["monitor_id"])
    status = monitors.NAMES[beat["status"]]
    said = plain(f"{took:>8}  {name}  {beat['msg']}".rstrip())
    return f"{moment(beat['time'])}  {painted(status)}{' ' * (11 - len(status))}  {said}"
