"""AMQP 0-9-1 as far as a sign-in needs it: the library encodes frames, we connect."""

import asyncio
from typing import TypeVar

from pamqp import commands, frame, header
from pamqp.base import Frame
from pamqp.common import FieldTable
from pamqp.exceptions import PAMQPException

from actors.probes.kit.closing import close_gracefully
from actors.probes.kit.result import TargetFailed

MAX_FRAME_BYTES = 131_072  # RabbitMQ's own limit
HEAD_BYTES, END_BYTES = 7, 1
CLIENT_PROPERTIES: FieldTable = {"product": "watchkeeper", "capabilities": {"authentication_failure_close": True}}
NOT_AMQP = "the answer is not AMQP"

Expected = TypeVar("Expected", bound=Frame)


class AmqpConnection:
    """One connection, from the protocol header to the open virtual host."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def open(self, username: str, password: str, virtual_host: str) -> None:
        """Sign in and open. Raises TargetFailed in the server's words."""
        self._writer.write(header.ProtocolHeader().marshal())
        await self._read_method(commands.Connection.Start)
        self._send(commands.Connection.StartOk(CLIENT_PROPERTIES, "PLAIN", f"\0{username}\0{password}"))
        tune = await self._read_method(commands.Connection.Tune)
        self._send(commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        self._send(commands.Connection.Open(virtual_host))
        await self._read_method(commands.Connection.OpenOk)
        await close_gracefully(self._close())

    async def _close(self) -> None:
        self._send(commands.Connection.Close(200, "seen", 0, 0))
        await self._read_method(commands.Connection.CloseOk)

    def _send(self, method: Frame) -> None:
        self._writer.write(frame.marshal(method, 0))

    async def _read_method(self, expected: type[Expected]) -> Expected:
        try:
            method = await self._read_frame()
        except asyncio.IncompleteReadError as error:
            raise TargetFailed(_closed_before(expected)) from error
        except (PAMQPException, ValueError, LookupError, TypeError, RecursionError) as error:  # nested tables
            raise TargetFailed(NOT_AMQP) from error
        if isinstance(method, commands.Connection.Close):
            raise TargetFailed(f"the server answered: {method.reply_text}")
        if not isinstance(method, expected):
            raise TargetFailed(NOT_AMQP)
        return method

    async def _read_frame(self) -> object:
        head = await self._reader.readexactly(HEAD_BYTES)
        size = int.from_bytes(head[3:], "big")
        if head[0] != 1 or size > MAX_FRAME_BYTES:  # a method frame; the first letters of another protocol are none
            raise TargetFailed(NOT_AMQP)
        return frame.unmarshal(head + await self._reader.readexactly(size + END_BYTES))[2]


def _closed_before(expected: type[Frame]) -> str:
    """Old servers close the connection without an error."""
    if expected is commands.Connection.Tune:
        return "the server refused the sign-in"
    return "the connection was closed without an answer"
