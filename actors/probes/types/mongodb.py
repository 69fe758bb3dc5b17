"""Sends one read-only command to a MongoDB.

Read-only by construction: few commands are allowed, and stages that write are rejected. Each host is connected to
directly, whatever it says about others: the first one that connects counts.
"""

import asyncio
import ssl
from itertools import islice
from typing import Any

from bson import Decimal128, json_util
from bson.errors import BSONError

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.kit.values import to_detail, to_scalar, value_at
from actors.probes.net.tls import database_tls_context, peer_certificate_days
from actors.probes.protocols.mongo_uri import resolve_cluster
from actors.probes.protocols.mongo_wire import MongoConnection
from actors.probes.protocols.scram import ScramClient, prepare_password
from app.domain.connections.mongodb import Cluster
from app.domain.parsing.values import ABSENT, Scalar
from schema.heartbeat_texts import ANSWERED
from schema.targets import Mongodb

MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-1")  # the strongest first
READ_PREFERENCE = {"mode": "primaryPreferred"}  # a secondary answers too when it is asked directly


async def probe(target: Mongodb, check: RunningCheck) -> ProbeResult:
    """Connect, sign in, send the command, take the value out of the reply."""
    cluster = await resolve_cluster(target)
    reader, writer = await _connect(target, cluster, check)
    try:
        days, connection = peer_certificate_days(writer), MongoConnection(reader, writer)
        if cluster.username:
            await _sign_in(connection, cluster)
        reply = await connection.command(_build_command(target, cluster, check.snapshot.timeout_ms))
    finally:
        writer.transport.abort()
    value = reply_value(reply, target.path)
    detail = {"value": to_detail(value), "host": writer.get_extra_info("peername")[0]} if check.detailed else None
    return ProbeResult(code=ANSWERED, detail=detail, value=value, certificate_days=days)


async def _connect(
    target: Mongodb, cluster: Cluster, check: RunningCheck
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The first host that connects, in the given order."""
    *others, last = cluster.hosts
    for host, port in others:
        try:
            return await check.context.egress.open_connection(host, port, ssl=_encryption(target, cluster, host))
        except OSError:
            continue
    return await check.context.egress.open_connection(*last, ssl=_encryption(target, cluster, last[0]))


def _encryption(target: Mongodb, cluster: Cluster, host: str) -> ssl.SSLContext | None:
    return database_tls_context(target, host, cluster.encryption)


async def _sign_in(connection: MongoConnection, cluster: Cluster) -> None:
    """SCRAM, with the strongest mechanism that the user has."""
    database = {"$db": cluster.auth_database}
    hello = await connection.command(
        {"hello": 1, "saslSupportedMechs": f"{cluster.auth_database}.{cluster.username}", **database}
    )
    offered = hello.get("saslSupportedMechs") or ["SCRAM-SHA-256"]
    mechanism = next((one for one in MECHANISMS if one in offered), "")
    if not mechanism:
        raise TargetFailed(f"the server offers no sign-in that checks know: {', '.join(map(str, offered))[:80]}")
    scram = ScramClient(cluster.username, _scram_password(cluster, mechanism), mechanism)
    response = await connection.command(
        {"saslStart": 1, "mechanism": mechanism, "payload": scram.first_message(), **database}
    )
    conversation_id = response.get("conversationId")
    response = await connection.command(
        {
            "saslContinue": 1,
            "conversationId": conversation_id,
            "payload": scram.final_message(_payload(response)),
            **database,
        }
    )
    scram.verify(_payload(response))
    if not response.get("done"):
        await connection.command({"saslContinue": 1, "conversationId": conversation_id, "payload": b"", **database})


def _scram_password(cluster: Cluster, mechanism: str) -> str:
    """The password for the mechanism; the older one uses MongoDB's own digest of it."""
    if mechanism == "SCRAM-SHA-256":
        return prepare_password(cluster.password)
    import hashlib  # noqa: PLC0415  # for very old servers

    text = f"{cluster.username}:mongo:{cluster.password}".encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _payload(response: dict[str, Any]) -> bytes:
    payload = response.get("payload")
    return bytes(payload) if isinstance(payload, bytes) else b""


def _build_command(target: Mongodb, cluster: Cluster, timeout_ms: int) -> dict[str, Any]:
    """The command, with limits on time and size, and its database."""
    try:
        is_bare = "{" not in target.command
        command: dict[str, Any] = {target.command: 1} if is_bare else json_util.loads(target.command)
    except (BSONError, ValueError, TypeError) as error:
        raise CheckInconclusive(f"the command can't be written: {error}") from error
    name = next(iter(command))
    if name == "find":
        command |= {"limit": 1, "singleBatch": True}
    if name == "aggregate":
        command |= {"pipeline": [*command.get("pipeline", ()), {"$limit": 1}], "cursor": {}}
    return command | {"maxTimeMS": timeout_ms, "$db": cluster.database, "$readPreference": READ_PREFERENCE}


def reply_value(reply: dict[str, Any], path: str) -> Scalar:
    """The value for assertions: the one at the path, else the count, else the first document's first field."""
    if path:
        return _scalar(value_at(reply, path))
    cursor = reply.get("cursor")
    hits = cursor.get("firstBatch") if isinstance(cursor, dict) else reply.get("values")
    if not isinstance(hits, list):
        return to_scalar(reply.get("n", ABSENT))
    hit = next(islice(hits, 1), None)
    return _scalar(_first_field(hit) if isinstance(hit, dict) else hit)


def _scalar(value: Any) -> Scalar:
    """BSON has its own decimal type."""
    return to_scalar(value.to_decimal() if isinstance(value, Decimal128) else value)


def _first_field(document: dict[str, Any]) -> Any:
    """The first field except `_id`, if there is one."""
    return next((value for name, value in document.items() if name != "_id"), document.get("_id"))
