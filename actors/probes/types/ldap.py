"""Looks whether a directory answers, lets a user bind, and finds what it should."""

from asyncio import IncompleteReadError, StreamReader, StreamWriter

from actors.probes.kit.context import Asked
from actors.probes.kit.result import Failed, Seen
from actors.probes.kit.values import untyped
from actors.probes.net.tls import context_of, days_left, encrypted
from actors.probes.protocols import ldap_messages
from actors.probes.protocols.ber import header
from actors.probes.protocols.ldap_filter import encoded
from actors.probes.protocols.ldap_messages import Entry, Result
from app.domain.monitoring.values import ABSENT, Scalar
from app.domain.parsing.invalid_field import InvalidField
from schema.heartbeat_texts import ANSWERED
from schema.targets import Ldap
from schema.targets.services import LdapSecurity

READ_LIMIT_BYTES = 1_000_000  # of everything a server says
ENTRIES = 100  # asked for
MESSAGES = 1_000  # of a conversation: entries, references and notices
SHOWN = 10  # names in a detail


class Talk:
    """One connection: a question at a time, and a bound for all answers together."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.beneath: StreamWriter | None = None  # what TLS goes over, once it does
        self._id, self._left, self._messages = 0, READ_LIMIT_BYTES, MESSAGES

    def ask(self, operation: bytes) -> None:
        """Send a request."""
        self._id += 1
        self.writer.write(ldap_messages.message(self._id, operation))

    async def hear(self) -> tuple[int, bytes]:
        """The next answer to it: its kind and its body."""
        while True:
            try:
                id_, kind, body = ldap_messages.opened(await self._message())
            except ValueError as error:
                raise Failed(f"the server doesn't speak LDAP: {error}") from error
            if id_ == self._id:
                return kind, body
            if id_ == 0:
                raise Failed("the server ends the connection")

    async def result(self, wanted: int) -> Result:
        """How a request ended that has one answer."""
        kind, body = await self.hear()
        if kind != wanted:
            raise Failed("the server doesn't speak LDAP: an answer to something else")
        return ldap_messages.result(body)

    async def _message(self) -> bytes:
        data = await self.reader.readexactly(2)
        while (bounds := header(data)) is None:
            data += await self.reader.readexactly(1)
        self._left -= bounds[1]
        self._messages -= 1
        if self._left < 0:
            raise Failed(f"the answers are longer than {READ_LIMIT_BYTES // 1_000_000} MB")
        if self._messages < 0:
            raise Failed("the server doesn't stop talking")
        return data + await self.reader.readexactly(bounds[1] - len(data))


async def probe(target: Ldap, asked: Asked) -> Seen:
    """Connect, bind, and search where something is looked for."""
    wanted = _filter(target)
    talk = await _connected(target, asked)
    try:
        return await _look(target, asked, talk, wanted)
    except IncompleteReadError as error:
        raise Failed("the connection was closed in the middle") from error
    except OSError:  # a certificate's fault is a ValueError too
        raise
    except ValueError as error:
        raise Failed(f"the server doesn't speak LDAP: {error}") from error
    finally:
        talk.writer.transport.abort()


async def _look(target: Ldap, asked: Asked, talk: Talk, wanted: bytes) -> Seen:
    if target.security is LdapSecurity.STARTTLS:
        await _secured(target, asked, talk)
    await _bound(target, talk)
    entries = await _found(target, talk, wanted) if wanted else None
    talk.ask(bytes((ldap_messages.UNBIND, 0)))
    return _judged(target, entries, days_left(talk.writer), detailed=asked.detailed)


def _filter(target: Ldap) -> bytes:
    """What is looked for; nothing when there is no filter."""
    try:
        return encoded(target.filter) if target.filter else b""
    except ValueError as error:
        raise InvalidField("filter", str(error)) from error


async def _connected(target: Ldap, asked: Asked) -> Talk:
    tls = context_of(target, asked.tools) if target.security is LdapSecurity.TLS else None
    return Talk(*await asked.tools.egress.open_connection(target.host, target.port, ssl=tls))


async def _secured(target: Ldap, asked: Asked, talk: Talk) -> None:
    """Go on under TLS."""
    talk.ask(ldap_messages.start_tls())
    answer = await talk.result(ldap_messages.ANSWERED)
    if answer.code != ldap_messages.OK:
        raise Failed(f"the server refuses STARTTLS: {answer.reason}")
    if talk.reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001  # what is here already was not said under TLS
        raise Failed("the server goes on without TLS after STARTTLS")
    talk.beneath = talk.writer
    talk.reader, talk.writer = await encrypted(talk.writer, context_of(target, asked.tools), target.host)


async def _bound(target: Ldap, talk: Talk) -> None:
    talk.ask(ldap_messages.bind(target.bind_dn, target.password))
    answer = await talk.result(ldap_messages.BOUND)
    if answer.code != ldap_messages.OK:
        raise Failed(f"the bind was refused: {answer.reason}")


async def _found(target: Ldap, talk: Talk, wanted: bytes) -> list[Entry]:
    """Every entry that comes, as far as the limit."""
    talk.ask(ldap_messages.search(target.base, target.scope, wanted, target.attribute, ENTRIES))
    entries = list[Entry]()
    while True:
        kind, body = await talk.hear()
        if kind == ldap_messages.ENTRY:
            entries.append(ldap_messages.entry(body))
        elif kind == ldap_messages.SEARCHED:
            break
    answer = ldap_messages.result(body)
    if answer.code not in {ldap_messages.OK, ldap_messages.SIZE_LIMIT}:
        raise Failed(f"the search failed: {answer.reason}")
    return entries


def _judged(target: Ldap, entries: list[Entry] | None, days: int | None, *, detailed: bool) -> Seen:
    if entries is None:
        return Seen(code=ANSWERED, certificate_days=days)
    if not entries:
        raise Failed("the search found nothing")
    facts = {"entries": len(entries), "names": [one.name[:200] for one in entries[:SHOWN]]}
    value = value_of(entries, target.attribute)
    return Seen(code=ANSWERED, detail=facts if detailed else None, value=value, certificate_days=days)


def value_of(entries: list[Entry], attribute: str) -> Scalar:
    """The attribute's first value; how many entries there are when none is named."""
    if not attribute:
        return len(entries)
    found = (value for one in entries for value in one.values.get(attribute.lower(), ()))
    return next((untyped(one) for one in found), ABSENT)
