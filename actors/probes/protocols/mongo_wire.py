"""MongoDB's wire protocol as far as a check needs it: OP_MSG, one document out and one bounded document in."""

import asyncio
import struct
from typing import Any

import bson
from bson.errors import BSONError

from actors.probes.kit.result import TargetFailed

MAX_REPLY_BYTES = 1_000_000
HEAD = struct.Struct("<iiii")  # length, request id, response to, operation
OP_MSG = 2013
SECTION_HEAD_BYTES = 4 + 1  # flags and the kind of the only section
NOT_MONGO = "the answer is not MongoDB's protocol"


class MongoConnection:
    """One connection; one command at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._request_id = reader, writer, 0

    async def command(self, document: dict[str, Any]) -> dict[str, Any]:
        """The server's reply. Raises TargetFailed for a refusal or an invalid reply."""
        self._request_id += 1
        body = bson.encode(document)
        size = HEAD.size + SECTION_HEAD_BYTES + len(body)
        self._writer.write(HEAD.pack(size, self._request_id, 0, OP_MSG) + b"\0" * SECTION_HEAD_BYTES + body)
        try:
            reply = await self._read_reply()
        except asyncio.IncompleteReadError as error:
            raise TargetFailed("the connection was closed without an answer") from error
        except (BSONError, struct.error, ValueError) as error:
            raise TargetFailed(NOT_MONGO) from error
        if reply.get("ok") != 1:
            raise TargetFailed(f"the server answered: {reply.get('errmsg') or reply.get('$err') or 'no'}")
        return reply

    async def _read_reply(self) -> dict[str, Any]:
        size, _, to, operation = HEAD.unpack(await self._reader.readexactly(HEAD.size))
        if operation != OP_MSG or to != self._request_id or size < HEAD.size + SECTION_HEAD_BYTES:
            raise TargetFailed(NOT_MONGO)
        if size > MAX_REPLY_BYTES:
            raise TargetFailed("the answer is longer than 1 MB")
        body = await self._reader.readexactly(size - HEAD.size)
        found: dict[str, Any] = bson.decode(
            body[SECTION_HEAD_BYTES : SECTION_HEAD_BYTES + int.from_bytes(body[5:9], "little")]
        )
        return found
