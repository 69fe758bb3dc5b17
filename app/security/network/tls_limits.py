"""Limits TLS: feeds OpenSSL one record at a time, and closes the connection to a peer that only keeps it busy.

OpenSSL reads on until a handshake is complete or content has come, and a loop gives it up to 256 kB at once. With
meaningless records (a renegotiation request takes nine bytes) that blocks the loop for half a second, repeatedly.

Our own database and queue are not limited: their connections live for weeks.
"""

import ssl
from typing import Any

HEADER_BYTES = 5
HANDSHAKE_RECORDS = 1_000  # real servers need ten; a huge chain in the smallest fragments (512 bytes) some hundred
HANDSHAKE_BYTES = 262_144  # a huge chain of certificates takes 100 kB
EMPTY_RECORDS = 256  # in a row: session tickets, key updates, a second handshake for a client's certificate
RECORDS = 10_000  # records of any kind; beyond that they need content on average
CONTENT_BYTES = 64  # per record on average; real records have thousands
# As OpenSSL's own clients offer for TLS 1.2 and older, without finite-field key exchange (DHE): the server chooses its
# prime, and one of 10,000 bits costs us three seconds. Browsers don't offer it either. TLS 1.3 has its own list.
CIPHERS = "DEFAULT:!kDHE:!PSK:!SRP"
ENDLESS_HANDSHAKE = "the handshake does not end"
ENDLESS_EMPTY_RECORDS = "records without content do not end"


def apply_limits(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context; its connections from now on fail if the peer's handshake or empty records do not end."""
    if context.sslobject_class is not BoundedTls:
        context.sslobject_class = BoundedTls
        context.set_ciphers(CIPHERS)  # keeps the security level
    return context


class BoundedTls(ssl.SSLObject):
    """TLS over memory buffers, as loops create it from a context.

    A second buffer between the loop's and OpenSSL gets one record each time OpenSSL has read the previous one.
    """

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, *args: Any, **options: Any) -> "BoundedTls":
        """As the base class. `SSLContext.wrap_bio` calls this, the only constructor."""
        fed = ssl.MemoryBIO()
        bounded: BoundedTls = super()._create(fed, *args, **options)  # type: ignore[misc]  # typeshed leaves it out
        bounded._begin(incoming, fed)
        return bounded

    def _begin(self, incoming: ssl.MemoryBIO, fed: ssl.MemoryBIO) -> None:
        """Set the state, since `__init__` is not available."""
        self._incoming, self._fed = incoming, fed
        self._header, self._body_bytes = b"", 0  # of the current record
        self._records = self._empty_in_row = self._bytes = self._content_bytes = 0

    def do_handshake(self) -> None:
        """As the base class. Raises ssl.SSLError for a handshake that does not end."""
        while self._incoming.pending:
            self._feed_record()
            if self._records > HANDSHAKE_RECORDS or self._bytes > HANDSHAKE_BYTES:
                raise _ssl_error(ENDLESS_HANDSHAKE)
        super().do_handshake()
        self._empty_in_row = 0

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """As the base class. Raises ssl.SSLError for records without content that do not end."""
        while True:
            if self._incoming.pending and not self.pending():
                self._feed_record()
                self._check_content()
            try:
                content = super().read(size, buffer)
            except ssl.SSLWantReadError:
                if not self._incoming.pending:
                    raise
            else:
                self._empty_in_row = 0
                self._content_bytes += len(content) if buffer is None else int(content)
                return content

    def pending(self) -> int:
        """Bytes fed and not read yet; without them a loop would wait for more data."""
        return super().pending() + self._fed.pending

    def unwrap(self) -> Any:
        """As the base class, after feeding all received records."""
        while self._incoming.pending:
            self._feed_record()
            self._check_content()
        return super().unwrap()

    def _feed_record(self) -> None:
        """Feed OpenSSL the next record, or the received part of it."""
        if not self._body_bytes:
            part = self._incoming.read(HEADER_BYTES - len(self._header))
            self._bytes += self._fed.write(part)
            self._header += part
            if len(self._header) < HEADER_BYTES:
                return
            self._body_bytes, self._header = int.from_bytes(self._header[3:], "big"), b""
            self._records += 1
            self._empty_in_row += 1
        n_written = self._fed.write(self._incoming.read(self._body_bytes))
        self._body_bytes -= n_written
        self._bytes += n_written

    def _check_content(self) -> None:
        if self._empty_in_row > EMPTY_RECORDS or self._records > RECORDS + self._content_bytes // CONTENT_BYTES:
            raise _ssl_error(ENDLESS_EMPTY_RECORDS)


def _ssl_error(message: str) -> ssl.SSLError:
    """An error like OpenSSL's own, which carry the message as `reason` too."""
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, message)
    error.reason = message
    return error
