"""Checks that a game server answers a Steam server query (A2S_INFO), and how many play."""

import asyncio
import io
import struct
from typing import Any, TypeAlias

from a2s.byteio import ByteReader
from a2s.exceptions import BrokenMessageError, BufferExhaustedError
from a2s.info import GoldSrcInfo, InfoProtocol, SourceInfo

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.net.udp import MAX_ATTEMPTS, UdpConnection, attempt_timeout_s, open_udp
from schema.heartbeat_texts import ANSWERED, NO_ANSWER
from schema.targets import Steam

SINGLE_PACKET = b"\xff\xff\xff\xff"  # marks a reply in one packet, as all replies of this kind are
CHALLENGE = 0x41
MAX_CHALLENGES = 4  # answered within one attempt; some servers send two
SHOWN_CHARS = 200  # characters of a name
MAX_PACKET_BYTES = 8_192  # a reply has at most 1,400; the library parses names byte by byte

Info: TypeAlias = SourceInfo[str] | GoldSrcInfo[str]


async def probe(target: Steam, check: RunningCheck) -> ProbeResult:
    """Up to three requests; the first readable response counts."""
    async with open_udp(check, target.host, target.port) as connection:
        for _ in range(MAX_ATTEMPTS):
            try:
                async with asyncio.timeout(attempt_timeout_s(check)):
                    info = await _query_info(connection)
            except TimeoutError as error:
                if error.errno:  # a network error
                    raise
                continue
            return _evaluate(target, info, detailed=check.detailed)
    raise TargetFailed(f"no answer to {MAX_ATTEMPTS} requests", code=NO_ANSWER)


async def _query_info(connection: UdpConnection) -> Info:
    """One request, with the challenges that a server may send before its response. Other datagrams are ignored."""
    connection.send(encode_request(0))
    challenges = 0
    while True:
        kind, reader = _parse_head(await connection.receive())
        if kind == CHALLENGE and challenges < MAX_CHALLENGES:
            challenges += 1
            connection.send(encode_request(_parse_challenge(reader)))
        elif kind is not None and InfoProtocol.validate_response_type(kind):
            return _parse_info(kind, reader)


def encode_request(challenge: int) -> bytes:
    """The request, with the server's challenge."""
    return SINGLE_PACKET + bytes(InfoProtocol.serialize_request(challenge))


def _parse_head(data: bytes) -> tuple[int | None, ByteReader]:
    """The kind of reply, and a reader for the rest; None for anything else."""
    known = data.startswith(SINGLE_PACKET) and len(SINGLE_PACKET) < len(data) <= MAX_PACKET_BYTES
    return data[len(SINGLE_PACKET)] if known else None, ByteReader(
        io.BytesIO(data[len(SINGLE_PACKET) + 1 :]), "<", "utf-8"
    )


def _parse_challenge(reader: ByteReader) -> int:
    try:
        return int(reader.read_uint32())
    except BufferExhaustedError as error:
        raise TargetFailed("the answer can't be read: a challenge that is cut off") from error


def _parse_info(kind: int, reader: ByteReader) -> Info:
    try:
        return InfoProtocol.deserialize_response(reader, kind, 0.0)
    except (BrokenMessageError, BufferExhaustedError, struct.error, ValueError) as error:
        raise TargetFailed("the answer can't be read: it is cut off, or something else") from error


def _evaluate(target: Steam, info: Info, *, detailed: bool) -> ProbeResult:
    facts = info_facts(info)
    if target.map and info.map_name != target.map:
        raise TargetFailed(f"the map is {facts['map']!r}, expected {target.map!r}", detail=facts)
    return ProbeResult(code=ANSWERED, value=info.player_count, detail=facts if detailed else None)


def info_facts(info: Info) -> dict[str, Any]:
    """For a result's detail."""
    return {
        "name": info.server_name[:SHOWN_CHARS],
        "map": info.map_name[:SHOWN_CHARS],
        "game": info.game[:SHOWN_CHARS],
        "players": info.player_count,
        "max_players": info.max_players,
        "bots": info.bot_count,
        "password": info.password_protected,
        "version": info.version[:SHOWN_CHARS] if isinstance(info, SourceInfo) else "",
    }
