"""`watchkeeper tail`: prints heartbeats as they come, over the WebSocket."""

from typing import Any

import aiohttp
import msgspec

from app.client import monitors
from app.client.screen import colorize, local_time, print_line, printable
from app.client.server import ApiClient, CommandFailed, error_reason, refusal_reason

PING_INTERVAL_S = 20  # a server that answers no ping within this time is gone


async def run(api: ApiClient, target: str, *, json: bool) -> int:
    """Follow all monitors, or one by name or id, until the server closes the connection. Raises CommandFailed."""
    names = {monitor["id"]: monitor["name"] for monitor in await monitors.list_monitors(api)}
    channels = [f"monitor:{monitors.id_of(target, names)}"] if target else ["heartbeats"]
    try:
        async with api.session.ws_connect(f"{api.url}/api/v1/ws", heartbeat=PING_INTERVAL_S) as socket:
            await socket.send_str(msgspec.json.encode({"type": "subscribe", "channels": channels}).decode())
            async for message in socket:
                _print_heartbeats(msgspec.json.decode(message.data), names, json=json)
            raise CommandFailed(f"the server closed the connection ({socket.close_code})")
    except BrokenPipeError:  # our own output, not the server
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise CommandFailed(f"{api.url} can't be listened to: {error_reason(error)}") from error


def _print_heartbeats(message: dict[str, Any], names: dict[str, str], *, json: bool) -> None:
    """Print a line for each heartbeat. Raises CommandFailed for an error message."""
    if message["type"] == "error":
        raise CommandFailed(refusal_reason(message))
    for beat in message["data"] if message["type"] == "heartbeats" else ():
        print_line(msgspec.json.encode(beat).decode() if json else heartbeat_line(beat, names))


def heartbeat_line(beat: dict[str, Any], names: dict[str, str]) -> str:
    """Time, status, response time, monitor and message."""
    took = "" if beat["ping"] is None else f"{beat['ping']:.0f} ms"
    name = names.get(beat["monitor_id"], beat["monitor_id"])
    status = monitors.STATUS_NAMES[beat["status"]]
    rest = printable(f"{took:>8}  {name}  {beat['msg']}".rstrip())
    return f"{local_time(beat['time'])}  {colorize(status)}{' ' * (11 - len(status))}  {rest}"
