"""Validates PostgreSQL's messages before the library parses them: it trusts every length, and hashes without a limit.

A length below four, or NUL as a message's kind, makes it parse the same bytes for ever and blocks the whole worker; a
negative length of a field makes it read what is before the row.
"""

import re

from actors.probes.protocols.scram_rounds import MAX_ROUNDS, TOO_MANY_ROUNDS

NOT_POSTGRES = "the answer is not PostgreSQL's protocol"
KIND_BYTES, LENGTH_BYTES = 1, 4  # of a message: its kind, and its length, which includes itself
HEAD_BYTES = KIND_BYTES + LENGTH_BYTES
KINDS = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")  # that servers send in version 3 of the protocol
AUTHENTICATION, READY, ROW = b"RZD"
COUNT_BYTES = 2  # at the start of a row: the number of fields
NULL = -1  # instead of a field's length
ROUNDS = re.compile(rb",i=(\d+)")  # the library's own pattern
MAX_DIGITS = len(str(MAX_ROUNDS))


class MessageValidator:
    """Validates the messages of one connection. Called with each chunk."""

    def __init__(self) -> None:
        self._pending = bytearray()  # the start of an incomplete message
        self._needed = HEAD_BYTES  # bytes of it before it can be validated
        self._skipped = 0  # bytes to come of a message that needs no validation
        self._is_signed_in = False
        self._error = ""

    def __call__(self, data: bytes) -> str:
        """Why this and everything after it is rejected; empty when it is valid."""
        n_skipped = min(self._skipped, len(data))
        self._skipped -= n_skipped
        self._pending += data[n_skipped:]
        if not self._error and len(self._pending) >= self._needed:
            self._validate(bytes(self._pending))
        return self._error

    def _validate(self, data: bytes) -> None:
        """Validate every message in the data; an incomplete one waits for its rest."""
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
    """Empty when the fields are as many as the row says, and fill it."""
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
