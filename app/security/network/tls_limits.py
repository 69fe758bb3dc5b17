"""TLS that ends: OpenSSL is handed one record at a time, and a peer that only keeps it busy is hung up on.

OpenSSL reads on until a handshake is complete or content has come, over whatever lies before it, and a loop hands it up
to 256 kB at once. Of records that mean nothing (a wish to begin anew takes nine bytes) that is half a second in which
nothing else happens, again and again.

Our own database and queue are not bounded: they answer as often as we ask, for weeks.
"""

import ssl
from typing import Any

HEADER_BYTES = 5
HANDSHAKE_RECORDS = 1_000  # real servers take ten; the smallest fragments (512 bytes) of a huge chain some hundred
HANDSHAKE_BYTES = 262_144  # a huge chain of certificates takes 100 kB
EMPTY_RECORDS = 256  # in a row: tickets, changes of keys, a second handshake for a client's certificate
RECORDS = 10_000  # of any length; after that a record should have content
CONTENT_BYTES = 64  # of each record on an average; real ones fill thousands
# What OpenSSL's own clients offer of TLS 1.2 and older, but for key exchanges of finite fields (DHE), in which the
# server chooses the prime: 10,000 bits cost us three seconds. Browsers don't offer them. TLS 1.3 has its own list.
CIPHERS = "DEFAULT:!kDHE:!PSK:!SRP"
ENDLESS_HANDSHAKE = "the handshake does not end"
ENDLESS_EMPTY_RECORDS = "records without content do not end"


def apply_limits(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, whose connections from now on end when the other side's TLS does not."""
    if context.sslobject_class is not BoundedTls:
        context.sslobject_class = BoundedTls
        context.set_ciphers(CIPHERS)  # the level of security stays what it was
    return context


class BoundedTls(ssl.SSLObject):
    """TLS over memory, as loops make it from a context.

    Between the loop's buffer and OpenSSL's lies a second one, which gets a record when OpenSSL has read the one before.
    """

    @classmethod
    def _create(cls, incoming: ssl.MemoryBIO, *args: Any, **options: Any) -> "BoundedTls":
        """As the base class, whose only constructor this is: `SSLContext.wrap_bio` calls it."""
        handed = ssl.MemoryBIO()
        made: BoundedTls = super()._create(handed, *args, **options)  # type: ignore[misc]  # typeshed leaves it out
        made._begin(incoming, handed)
        return made

    def _begin(self, incoming: ssl.MemoryBIO, fed: ssl.MemoryBIO) -> None:
        """There is no constructor."""
        self._incoming, self._fed = incoming, fed
        self._header, self._body_bytes = b"", 0  # of the record that is on its way
        self._records = self._empty_in_row = self._bytes = self._content_bytes = 0

    def do_handshake(self) -> None:
        """As the base class. Raises ssl.SSLError for one that does not end."""
        while self._incoming.pending:
            self._feed_record()
            if self._records > HANDSHAKE_RECORDS or self._bytes > HANDSHAKE_BYTES:
                raise _ssl_error(ENDLESS_HANDSHAKE)
        super().do_handshake()
        self._empty_in_row = 0

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """As the base class. Raises ssl.SSLError when what comes has no content."""
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
        """Bytes that were handed over and not read: a loop that finds none of its own would wait for more."""
        return super().pending() + self._fed.pending

    def unwrap(self) -> Any:
        """As the base class, once OpenSSL has all that came."""
        while self._incoming.pending:
            self._feed_record()
            self._check_content()
        return super().unwrap()

    def _feed_record(self) -> None:
        """Give OpenSSL the next record, or what has come of it."""
        if not self._body_bytes:
            part = self._incoming.read(HEADER_BYTES - len(self._header))
            self._bytes += self._fed.write(part)
            self._header += part
            if len(self._header) < HEADER_BYTES:
                return
            self._body_bytes, self._header = int.from_bytes(self._header[3:], "big"), b""
            self._records += 1
            self._empty_in_row += 1
        came = self._fed.write(self._incoming.read(self._body_bytes))
        self._body_bytes -= came
        self._bytes += came

    def _check_content(self) -> None:
        if self._empty_in_row > EMPTY_RECORDS or self._records > RECORDS + self._content_bytes // CONTENT_BYTES:
            raise _ssl_error(ENDLESS_EMPTY_RECORDS)


def _ssl_error(words: str) -> ssl.SSLError:
    """As OpenSSL's own look, which have the words under this name too."""
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, words)
    error.reason = words
    return error
