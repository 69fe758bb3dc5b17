"""Checks that a directory responds, lets a user bind, and finds what it should."""

from asyncio import IncompleteReadError, StreamReader, StreamWriter

from actors.probes.kit.context import RunningCheck
from actors.probes.kit.result import ProbeResult, TargetFailed
from actors.probes.kit.values import to_untyped
from actors.probes.net.tls import peer_certificate_days, start_tls, target_tls_context
from actors.probes.protocols import ldap_messages
from actors.probes.protocols.ber import element_bounds
from actors.probes.protocols.ldap_filter import encode_filter
from actors.probes.protocols.ldap_messages import LdapEntry, LdapResult
from app.domain.parsing.invalid_field import InvalidField
from app.domain.parsing.values import ABSENT, Scalar
from schema.heartbeat_texts import ANSWERED
from schema.targets import Ldap
from schema.targets.services import LdapSecurity

READ_LIMIT_BYTES = 1_000_000  # of all that a server sends
MAX_ENTRIES = 100  # requested
MAX_MESSAGES = 1_000  # of a session: entries, references and notices
SHOWN_NAMES = 10  # in a detail


class LdapConnection:
    """One connection: one request at a time, and one limit for all responses together."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.plain_writer: StreamWriter | None = None  # the connection under TLS
        self._id, self._bytes_left, self._messages_left = 0, READ_LIMIT_BYTES, MAX_MESSAGES

    def send(self, operation: bytes) -> None:
        """Send a request."""
        self._id += 1
        self.writer.write(ldap_messages.encode_message(self._id, operation))

    async def receive(self) -> tuple[int, bytes]:
        """The next response to the request: its kind and its body."""
        while True:
            try:
                id_, kind, body = ldap_messages.parse_message(await self._message())
            except ValueError as error:
                raise TargetFailed(f"the server doesn't speak LDAP: {error}") from error
            if id_ == self._id:
                return kind, body
            if id_ == 0:
                raise TargetFailed("the server ends the connection")

    async def read_result(self, search_filter: int) -> LdapResult:
        """The result of a request with a single response."""
        kind, body = await self.receive()
        if kind != search_filter:
            raise TargetFailed("the server doesn't speak LDAP: an answer to something else")
        return ldap_messages.parse_result(body)

    async def _message(self) -> bytes:
        data = await self.reader.readexactly(2)
        while (bounds := element_bounds(data)) is None:
            data += await self.reader.readexactly(1)
        self._bytes_left -= bounds[1]
        self._messages_left -= 1
        if self._bytes_left < 0:
            raise TargetFailed(f"the answers are longer than {READ_LIMIT_BYTES // 1_000_000} MB")
        if self._messages_left < 0:
            raise TargetFailed("the server doesn't stop talking")
        return data + await self.reader.readexactly(bounds[1] - len(data))


async def probe(target: Ldap, check: RunningCheck) -> ProbeResult:
    """Connect, bind, and search where a filter is set."""
    search_filter = _encode_filter(target)
    connection = await _connect(target, check)
    try:
        return await _check(target, check, connection, search_filter)
    except IncompleteReadError as error:
        raise TargetFailed("the connection was closed in the middle") from error
    except OSError:  # a certificate error is a ValueError too
        raise
    except ValueError as error:
        raise TargetFailed(f"the server doesn't speak LDAP: {error}") from error
    finally:
        connection.writer.transport.abort()


async def _check(target: Ldap, check: RunningCheck, connection: LdapConnection, search_filter: bytes) -> ProbeResult:
    if target.security is LdapSecurity.STARTTLS:
        await _start_tls(target, check, connection)
    await _bind(target, connection)
    entries = await _search(target, connection, search_filter) if search_filter else None
    connection.send(bytes((ldap_messages.UNBIND, 0)))
    return _evaluate(target, entries, peer_certificate_days(connection.writer), detailed=check.detailed)


def _encode_filter(target: Ldap) -> bytes:
    """The encoded filter; empty without one."""
    try:
        return encode_filter(target.filter) if target.filter else b""
    except ValueError as error:
        raise InvalidField("filter", str(error)) from error


async def _connect(target: Ldap, check: RunningCheck) -> LdapConnection:
    tls = target_tls_context(target, check.context) if target.security is LdapSecurity.TLS else None
    return LdapConnection(*await check.context.egress.open_connection(target.host, target.port, ssl=tls))


async def _start_tls(target: Ldap, check: RunningCheck, connection: LdapConnection) -> None:
    """Continue under TLS."""
    connection.send(ldap_messages.encode_start_tls())
    result = await connection.read_result(ldap_messages.EXTENDED_RESPONSE)
    if result.code != ldap_messages.OK:
        raise TargetFailed(f"the server refuses STARTTLS: {result.reason}")
    if connection.reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001  # data that is here already was not sent under TLS
        raise TargetFailed("the server goes on without TLS after STARTTLS")
    connection.plain_writer = connection.writer
    connection.reader, connection.writer = await start_tls(
        connection.writer, target_tls_context(target, check.context), target.host
    )


async def _bind(target: Ldap, connection: LdapConnection) -> None:
    connection.send(ldap_messages.encode_bind(target.bind_dn, target.password))
    result = await connection.read_result(ldap_messages.BIND_RESPONSE)
    if result.code != ldap_messages.OK:
        raise TargetFailed(f"the bind was refused: {result.reason}")


async def _search(target: Ldap, connection: LdapConnection, search_filter: bytes) -> list[LdapEntry]:
    """Every entry, up to the limit."""
    connection.send(
        ldap_messages.encode_search(target.base, target.scope, search_filter, target.attribute, MAX_ENTRIES)
    )
    entries = list[LdapEntry]()
    while True:
        kind, body = await connection.receive()
        if kind == ldap_messages.SEARCH_ENTRY:
            entries.append(ldap_messages.parse_entry(body))
        elif kind == ldap_messages.SEARCH_DONE:
            break
    result = ldap_messages.parse_result(body)
    if result.code not in {ldap_messages.OK, ldap_messages.SIZE_LIMIT}:
        raise TargetFailed(f"the search failed: {result.reason}")
    return entries


def _evaluate(target: Ldap, entries: list[LdapEntry] | None, days: int | None, *, detailed: bool) -> ProbeResult:
    if entries is None:
        return ProbeResult(code=ANSWERED, certificate_days=days)
    if not entries:
        raise TargetFailed("the search found nothing")
    facts = {"entries": len(entries), "names": [one.name[:200] for one in entries[:SHOWN_NAMES]]}
    value = entry_value(entries, target.attribute)
    return ProbeResult(code=ANSWERED, detail=facts if detailed else None, value=value, certificate_days=days)


def entry_value(entries: list[LdapEntry], attribute: str) -> Scalar:
    """The attribute's first value; the number of entries without an attribute."""
    if not attribute:
        return len(entries)
    values = (value for one in entries for value in one.values.get(attribute.lower(), ()))
    return next((to_untyped(one) for one in values), ABSENT)
