"""PostgreSQL's messages, looked at before the library reads them: it trusts every length, and hashes without a limit.

A length below four, or NUL as a message's kind, has it read the same bytes for ever, and the whole worker with it; a
negative length of a field has it read what is before the row.
"""

import re

from actors.probes.protocols.scram import MAX_ROUNDS, TOO_MANY_ROUNDS

NOT_POSTGRES = "the answer is not PostgreSQL's protocol"
KIND_BYTES, LENGTH_BYTES = 1, 4  # of a message: what it is, and its length, which counts itself
HEAD_BYTES = KIND_BYTES + LENGTH_BYTES
KINDS = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")  # that servers send in version 3 of the protocol
AUTHENTICATION, READY, ROW = b"RZD"
COUNT_BYTES = 2  # at a row's begin: how many fields it has
NULL = -1  # in the place of a field's length
ROUNDS = re.compile(rb",i=(\d+)")  # as the library finds it
MAX_DIGITS = len(str(MAX_ROUNDS))


class MessageValidator:
    """What comes on one connection. Called with each part of it."""

    def __init__(self) -> None:
        self._pending = bytearray()  # the begin of a message
        self._needed = HEAD_BYTES  # bytes of it, before there is something to look at
        self._skipped = 0  # bytes to come of a message that is not looked at
        self._is_signed_in = False
        self._error = ""

    def __call__(self, data: bytes) -> str:
        """Why this is refused, and whatever comes after it; nothing when it isn't."""
        n_skipped = min(self._skipped, len(data))
        self._skipped -= n_skipped
        self._pending += data[n_skipped:]
        if not self._error and len(self._pending) >= self._needed:
            self._validate(bytes(self._pending))
        return self._error

    def _validate(self, data: bytes) -> None:
        """Look at every message that begins in the data; what is left of the last one waits for the rest of it."""
        at, self._needed = 0, HEAD_BYTES
        while not self._error and len(data) - at >= HEAD_BYTES:
            kind, begin = data[at], at + HEAD_BYTES
            end = at + KIND_BYTES + int.from_bytes(data[at + KIND_BYTES : begin], "big", signed=True)
            is_validated = kind == ROW or (kind == AUTHENTICATION and not self._is_signed_in)
            if end < begin or kind not in KINDS:
                self._error = NOT_POSTGRES
            elif is_validated and end > len(data):
                self._needed = end - at
                break
            elif is_validated:
                self._error = (_row_error if kind == ROW else _sign_in_error)(data[begin:end])
            self._is_signed_in = self._is_signed_in or kind == READY
            at = end
        self._skipped = max(0, at - len(data))
        self._pending = bytearray(data[at:])


def _row_error(body: bytes) -> str:
    """Nothing when its fields are as many as it says, and fill it."""
    at = COUNT_BYTES
    for _ in range(int.from_bytes(body[:COUNT_BYTES], "big", signed=True)):
        size = int.from_bytes(body[at : at + LENGTH_BYTES], "big", signed=True)
        at += LENGTH_BYTES + max(0, size)
        if size < NULL or at > len(body):
            return NOT_POSTGRES
    return "" if at == len(body) else NOT_POSTGRES


def _sign_in_error(body: bytes) -> str:
    is_long = any(len(digits) > MAX_DIGITS or int(digits) > MAX_ROUNDS for digits in ROUNDS.findall(body))
    return TOO_MANY_ROUNDS if is_long else ""
