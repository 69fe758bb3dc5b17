"""PostgreSQL's messages, looked at before the library reads them: it trusts every length, and hashes without a limit.

A length below four, or NUL as a message's kind, has it read the same bytes for ever, and the whole worker with it; a
negative length of a field has it read what is before the row.
"""

import re

from actors.probes.scram import MOST_ROUNDS, TOO_MANY_ROUNDS

NOT_POSTGRES = "the answer is not PostgreSQL's protocol"
KIND_BYTES, LENGTH_BYTES = 1, 4  # of a message: what it is, and its length, which counts itself
HEAD_BYTES = KIND_BYTES + LENGTH_BYTES
KINDS = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")  # that servers send in version 3 of the protocol
AUTHENTICATION, READY, ROW = b"R", b"Z", b"D"
COUNT_BYTES = 2  # at a row's begin: how many fields it has
NULL = -1  # in the place of a field's length
ROUNDS = re.compile(rb",i=(\d+)")  # as the library finds it
DIGITS = len(str(MOST_ROUNDS))


class Messages:
    """What comes on one connection. Called with each part of it."""

    def __init__(self) -> None:
        self._head, self._body = bytearray(), bytearray()
        self._left = 0  # of the body
        self._is_signed_in = False
        self._refusal = ""

    def __call__(self, data: bytes) -> str:
        """Why this is refused, and whatever comes after it; nothing when it isn't."""
        at = 0
        while at < len(data) and not self._refusal:
            if len(self._head) < HEAD_BYTES:
                taken = data[at : at + HEAD_BYTES - len(self._head)]
                self._head += taken
                if len(self._head) == HEAD_BYTES:
                    self._begin()
            else:
                taken = data[at : at + self._left]
                self._left -= len(taken)
                if self._is_looked_at:
                    self._body += taken
            at += len(taken)
            if len(self._head) == HEAD_BYTES and not self._left:
                self._end()
        return self._refusal

    @property
    def _kind(self) -> bytes:
        return bytes(self._head[:KIND_BYTES])

    @property
    def _is_looked_at(self) -> bool:
        return self._kind == ROW or (self._kind == AUTHENTICATION and not self._is_signed_in)

    def _begin(self) -> None:
        self._left = int.from_bytes(self._head[KIND_BYTES:], "big", signed=True) - LENGTH_BYTES
        if self._left < 0 or self._head[0] not in KINDS:
            self._refusal = NOT_POSTGRES

    def _end(self) -> None:
        """A message is complete."""
        if self._is_looked_at:
            self._refusal = _fault_of_row(self._body) if self._kind == ROW else _fault_of_sign_in(self._body)
        self._is_signed_in = self._is_signed_in or self._kind == READY
        self._head.clear()
        self._body.clear()


def _fault_of_row(body: bytearray) -> str:
    """Nothing when its fields are as many as it says, and fill it."""
    at = COUNT_BYTES
    for _ in range(int.from_bytes(body[:COUNT_BYTES], "big", signed=True)):
        size = int.from_bytes(body[at : at + LENGTH_BYTES], "big", signed=True)
        at += LENGTH_BYTES + max(0, size)
        if size < NULL or at > len(body):
            return NOT_POSTGRES
    return "" if at == len(body) else NOT_POSTGRES


def _fault_of_sign_in(body: bytearray) -> str:
    is_long = any(len(digits) > DIGITS or int(digits) > MOST_ROUNDS for digits in ROUNDS.findall(body))
    return TOO_MANY_ROUNDS if is_long else ""
