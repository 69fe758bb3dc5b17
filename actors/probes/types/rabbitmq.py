"""Looks at a RabbitMQ: whether one of its nodes is without an alarm, and whether it takes a sign-in."""

import ssl
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
import msgspec

from actors.probes.http.request import basic
from actors.probes.kit.bounded_body import bytes_of
from actors.probes.kit.context import Asked
from actors.probes.kit.errors import of_system
from actors.probes.kit.result import Failed, Seen, Unsure
from actors.probes.net.tls import context_by
from actors.probes.protocols.amqp import Session
from app.domain.parsing import untrusted_json
from app.domain.parsing.web_url import web_url
from schema.heartbeat_texts import ANSWERED, text_of as words_for
from schema.targets import Rabbitmq

ALARMS = "/api/health/checks/alarms"
REASON_BYTES = 65_536


class Word(msgspec.Struct):
    """What a node says that is not well."""

    reason: str = ""
    error: str = ""


async def probe(target: Rabbitmq, asked: Asked) -> Seen:
    """First the nodes, then the sign-in; each where it is asked for."""
    node = await _good_node(target, asked) if target.nodes else ""
    if target.host:
        await _sign_in(target, asked)
    detail = {"node": node} if asked.detailed and node else None
    return Seen(code=ANSWERED, detail=detail)


async def _good_node(target: Rabbitmq, asked: Asked) -> str:
    """The first that says it is well; where none does, what each of them said."""
    said: list[str] = []
    for node in target.nodes:
        try:
            await _look_at(node, target, asked)
        except Failed as failed:
            said.append(f"{node}: {failed}")
        else:
            return node
    raise Failed("; ".join(said))


async def _look_at(node: str, target: Rabbitmq, asked: Asked) -> None:
    """Raises Failed for a node that is not well."""
    try:
        answer = await asked.tools.http.get(
            web_url(node.rstrip("/") + ALARMS),
            headers=basic(target.username, target.password),
            allow_redirects=False,  # a password is for the node alone
            ssl=_encryption(target, urlsplit(node).hostname or ""),
        )
        try:
            if answer.status != HTTPStatus.OK:
                raise Failed(reason_of(answer.status, await bytes_of(answer, REASON_BYTES)))
        finally:
            answer.close()
    except aiohttp.ClientError as error:
        raise _meaning(error) from error
    except ValueError as error:
        raise Unsure("a node's address can't be asked") from error


def reason_of(status: int, body: bytes | bytearray) -> str:
    """What a node says is not well, in its words; its status where it has none."""
    try:
        word = untrusted_json.decoded_as(body, Word)
    except (ValueError, RecursionError):  # of msgspec's errors, too
        word = Word()
    return word.reason or word.error or words_for(status)


def _meaning(error: aiohttp.ClientError) -> Failed | Unsure:
    """In our words: the library's own may hold the address."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return of_system(cause) if isinstance(cause, OSError) else Failed("the answer is not HTTP as it should be")


async def _sign_in(target: Rabbitmq, asked: Asked) -> None:
    tls = context_by(target, target.host) if target.tls else None
    reader, writer = await asked.tools.egress.open_connection(target.host, target.port, ssl=tls)
    try:
        await Session(reader, writer).open(target.username, target.password, target.virtual_host)
    finally:
        writer.transport.abort()


def _encryption(target: Rabbitmq, host: str) -> ssl.SSLContext | bool:
    """True where the usual trust is meant."""
    if not target.ca_cert and not target.client_cert and not target.ignore_tls_errors:
        return True
    return context_by(target, host)
