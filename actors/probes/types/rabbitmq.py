"""Checks a RabbitMQ: whether one of its nodes has no alarms, and whether it accepts a sign-in."""

import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import msgspec

from actors.probes.http.request import basic_auth_header
from actors.probes.kit.bounded_body import read_bytes
from actors.probes.kit.context import RunningCheck
from actors.probes.kit.errors import classify_os_error
from actors.probes.kit.result import CheckInconclusive, ProbeResult, TargetFailed
from actors.probes.net.tls import named_tls_context
from actors.probes.protocols.amqp import AmqpConnection
from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import parse_url
from schema.heartbeat_texts import ANSWERED, heartbeat_text
from schema.targets import Rabbitmq

ALARMS = "/api/health/checks/alarms"
REASON_BYTES = 65_536


class NodeError(msgspec.Struct):
    """A node's reason for being unhealthy."""

    reason: str = ""
    error: str = ""


async def probe(target: Rabbitmq, check: RunningCheck) -> ProbeResult:
    """Check the nodes, then the sign-in, where configured."""
    node = await _healthy_node(target, check) if target.nodes else ""
    if target.host:
        await _sign_in(target, check)
    detail = {"node": node} if check.detailed and node else None
    return ProbeResult(code=ANSWERED, detail=detail)


async def _healthy_node(target: Rabbitmq, check: RunningCheck) -> str:
    """The first healthy node; when there is none, TargetFailed with each one's reason."""
    failures: list[str] = []
    for node in target.nodes:
        try:
            await _check_node(node, target, check)
        except TargetFailed as failure:
            failures.append(f"{node}: {failure}")
        else:
            return node
    raise TargetFailed("; ".join(failures))


async def _check_node(node: str, target: Rabbitmq, check: RunningCheck) -> None:
    """Raises TargetFailed for an unhealthy node."""
    try:
        response = await check.context.http.get(
            parse_url(node.rstrip("/") + ALARMS),
            headers=basic_auth_header(target.username, target.password),
            allow_redirects=False,  # the password is only for this node
            ssl=_encryption(target, urlsplit(node).hostname or ""),
        )
        try:
            if response.status != HTTPStatus.OK:
                raise TargetFailed(failure_reason(response.status, await read_bytes(response, REASON_BYTES)))
        finally:
            response.close()
    except aiohttp.ClientError as error:
        raise _classify_error(error) from error
    except ValueError as error:
        raise CheckInconclusive("a node's address can't be asked") from error


def failure_reason(status: int, body: bytes | bytearray) -> str:
    """The node's own reason; its HTTP status without one."""
    try:
        node_error = untrusted_json.decode_as(body, NodeError)
    except (ValueError, RecursionError):  # includes msgspec's errors
        node_error = NodeError()
    return node_error.reason or node_error.error or heartbeat_text(status)


def _classify_error(error: aiohttp.ClientError) -> TargetFailed | CheckInconclusive:
    """Our own message: the library's may contain the address."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return (
        classify_os_error(cause)
        if isinstance(cause, OSError)
        else TargetFailed("the answer is not HTTP as it should be")
    )


async def _sign_in(target: Rabbitmq, check: RunningCheck) -> None:
    tls = named_tls_context(target, target.host) if target.tls else None
    reader, writer = await check.context.egress.open_connection(target.host, target.port, ssl=tls)
    try:
        await AmqpConnection(reader, writer).open(target.username, target.password, target.virtual_host)
    finally:
        writer.transport.abort()


def _encryption(target: Rabbitmq, host: str) -> ssl.SSLContext | bool:
    """True for the default trust."""
    if not target.ca_cert and not target.client_cert and not target.ignore_tls_errors:
        return True
    return named_tls_context(target, host)
