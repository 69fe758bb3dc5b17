"""PostgreSQL's sign-in, looked at before the library does: it hashes as often as a server asks for, without a limit."""

import re

from actors.probes.scram import MOST_ROUNDS, TOO_MANY_ROUNDS

HEAD_BYTES = 5  # a message's kind, and its length, which counts itself
AUTHENTICATION, READY = b"R", b"Z"
ROUNDS = re.compile(rb",i=(\d+)")  # as the library finds it
DIGITS = len(str(MOST_ROUNDS))


class SignIn:
    """What comes on one connection until the server is ready for queries. Called with each part of it."""

    def __init__(self) -> None:
        self._waiting, self._over = bytearray(), False

    def __call__(self, data: bytes) -> str:
        """Why this is refused; nothing when it isn't."""
        if self._over:
            return ""
        self._waiting += data
        while not self._over and len(self._waiting) >= HEAD_BYTES:
            size = max(HEAD_BYTES, 1 + int.from_bytes(self._waiting[1:HEAD_BYTES], "big"))
            if len(self._waiting) < size:
                break
            message = bytes(self._waiting[:size])
            del self._waiting[:size]
            if message[:1] == AUTHENTICATION and _is_long(message):
                return TOO_MANY_ROUNDS
            self._over = message[:1] == READY
        return ""


def _is_long(message: bytes) -> bool:
    return any(len(digits) > DIGITS or int(digits) > MOST_ROUNDS for digits in ROUNDS.findall(message))
