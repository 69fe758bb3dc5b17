"""Looks whether a game server answers a Steam server query (A2S_INFO), and how many play."""

import asyncio
import io
import struct
from typing import Any, TypeAlias

from a2s.byteio import ByteReader
from a2s.exceptions import BrokenMessageError, BufferExhaustedError
from a2s.info import GoldSrcInfo, InfoProtocol, SourceInfo

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.net.udp import TRIES, Line, line_to, share_of
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.targets import Steam

ALONE = b"\xff\xff\xff\xff"  # a reply in one packet, as every reply of this kind is
CHALLENGE = 0x41
CHALLENGES = 4  # answered within one try; some servers send two
SHOWN = 200  # characters of a name
PACKET_BYTES = 8_192  # a reply has at most 1,400; the library reads names byte by byte

Info: TypeAlias = SourceInfo[str] | GoldSrcInfo[str]


async def probe(target: Steam, asked: Asked) -> Seen:
    """Ask up to three times; the first answer that can be read will do."""
    async with line_to(asked, target.host, target.port) as line:
        for _ in range(TRIES):
            try:
                async with asyncio.timeout(share_of(asked)):
                    info = await _info(line)
            except TimeoutError as late:
                if late.errno:  # the network's own
                    raise
                continue
            return _judged(target, info, detailed=asked.detailed)
    raise Failed(f"no answer to {TRIES} requests", code=NO_ANSWER)


async def _info(line: Line) -> Info:
    """One question, and the challenge that a server may put before its answer. What is neither is passed over."""
    line.send(question(0))
    challenges = 0
    while True:
        kind, reader = _opened(await line.receive())
        if kind == CHALLENGE and challenges < CHALLENGES:
            challenges += 1
            line.send(question(_challenge(reader)))
        elif kind is not None and InfoProtocol.validate_response_type(kind):
            return _read(kind, reader)


def question(challenge: int) -> bytes:
    """The request, with the number that the server wants to see again."""
    return ALONE + bytes(InfoProtocol.serialize_request(challenge))


def _opened(data: bytes) -> tuple[int | None, ByteReader]:
    """What kind of reply it is, and what follows; None for anything else."""
    known = data.startswith(ALONE) and len(ALONE) < len(data) <= PACKET_BYTES
    return data[len(ALONE)] if known else None, ByteReader(io.BytesIO(data[len(ALONE) + 1 :]), "<", "utf-8")


def _challenge(reader: ByteReader) -> int:
    try:
        return int(reader.read_uint32())
    except BufferExhaustedError as error:
        raise Failed("the answer can't be read: a challenge that is cut off") from error


def _read(kind: int, reader: ByteReader) -> Info:
    try:
        return InfoProtocol.deserialize_response(reader, kind, 0.0)
    except (BrokenMessageError, BufferExhaustedError, struct.error, ValueError) as error:
        raise Failed("the answer can't be read: it is cut off, or something else") from error


def _judged(target: Steam, info: Info, *, detailed: bool) -> Seen:
    facts = facts_of(info)
    if target.map and info.map_name != target.map:
        raise Failed(f"the map is {facts['map']!r}, expected {target.map!r}", detail=facts)
    return Seen(code=ANSWERED, value=info.player_count, detail=facts if detailed else None)


def facts_of(info: Info) -> dict[str, Any]:
    """For people and programs."""
    return {
        "name": info.server_name[:SHOWN],
        "map": info.map_name[:SHOWN],
        "game": info.game[:SHOWN],
        "players": info.player_count,
        "max_players": info.max_players,
        "bots": info.bot_count,
        "password": info.password_protected,
        "version": info.version[:SHOWN] if isinstance(info, SourceInfo) else "",
    }
