"""`watchkeeper listen`: prints live messages as they come, one line of JSON each."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec

from app.client.server import error_reason
from schema.ws_messages import Subscribe

PING_INTERVAL_S = 20  # a server that answers no ping within this time is gone


async def run(url: str, token: str, channels: Sequence[str]) -> int:
    """Follow channels until the server closes the connection, or refuses.

    url      the server's address without a path
    token    sent as `Authorization: Bearer`
    returns  an exit code: 1 if it was refused or could not connect
    """
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"{url}/api/v1/ws", heartbeat=PING_INTERVAL_S) as socket,
        ):
            await socket.send_bytes(msgspec.json.encode(Subscribe(list(channels))))
            return await _print_messages(socket)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the reader, such as `head`, has closed the pipe
        return 0
    except (aiohttp.ClientError, OSError) as error:
        return _fail(f"{url} can't be listened to: {error_reason(error)}")


async def _print_messages(socket: aiohttp.ClientWebSocketResponse) -> int:
    async for message in socket:
        text = str(message.data)
        if text.startswith('{"type":"error"'):
            return _fail(_reason_of(msgspec.json.decode(text)["error"]))
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return _fail(f"the server closed the connection ({socket.close_code})")


def _reason_of(error: dict[str, Any]) -> str:
    fields = error["details"].get("fields", ())
    return " ".join(field["message"] for field in fields) or str(error["message"])


def _fail(reason: str) -> int:
    sys.stderr.write(f"watchkeeper: {reason}\n")
    return 1
