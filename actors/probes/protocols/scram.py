"""SCRAM, the client's side (RFC 5802, 7677), by `scramp`: proves that both sides know the password. Pure.

User names and passwords are used as they are written, as Kafka's clients do. MongoDB prepares a password before
(`prepare_password`).
"""

import re

import scramp
from scramp.utils import saslprep

from actors.probes.kit.result import TargetFailed
from actors.probes.protocols.scram_rounds import MAX_ROUNDS, MIN_ROUNDS, TOO_FEW_ROUNDS, TOO_MANY_ROUNDS

NOT_SCRAM = "the server's sign-in is not SCRAM as it should be"
MAX_ERROR_CHARS = 80
_ROUNDS = re.compile(rb"(?:^|,)i=([0-9]{1,9})(?:,|$)")
_SERVER_ERROR = re.compile(rb"(?:^|,)e=([^,]*)")


class ScramClient:
    """One sign-in.

    mechanism    `SCRAM-SHA-1`, `SCRAM-SHA-256` or `SCRAM-SHA-512`
    nonce        the client's; usually a new one
    """

    def __init__(self, username: str, password: str, mechanism: str, nonce: str = "") -> None:
        self._client = scramp.ScramClient([mechanism], "user", "", c_nonce=nonce or None)
        self._client.username = self._client.password = _AsWritten(username, password)

    def first_message(self) -> bytes:
        """The client's first message."""
        return str(self._client.get_client_first()).encode()

    def final_message(self, server_message: bytes) -> bytes:
        """The message with the proof, from the server's first message. Raises TargetFailed when that is not SCRAM."""
        if found := _ROUNDS.search(server_message):
            if int(found[1]) > MAX_ROUNDS:
                raise TargetFailed(TOO_MANY_ROUNDS)
            if int(found[1]) < MIN_ROUNDS:
                raise TargetFailed(TOO_FEW_ROUNDS)
        try:
            self._client.set_server_first(server_message.decode("ascii"))
            return str(self._client.get_client_final()).encode()
        except (scramp.ScramException, ValueError) as error:
            raise _failure(server_message, NOT_SCRAM) from error

    def verify(self, server_message: bytes) -> None:
        """Verify that the server knows the password too. Raises TargetFailed."""
        try:
            self._client.set_server_final(server_message.decode("ascii"))
        except (scramp.ScramException, ValueError) as error:
            raise _failure(server_message, "the server does not know the password itself") from error


class _AsWritten:
    """A user name and a password for `scramp`, which would prepare both by SASLprep."""

    def __init__(self, username: str, password: str) -> None:
        self._username, self._password = username, password

    def escape(self) -> str:
        return self._username.replace("=", "=3D").replace(",", "=2C")

    def __bytes__(self) -> bytes:
        return self._password.encode()


def _failure(server_message: bytes, otherwise: str) -> TargetFailed:
    """The server's own error, or what is wrong with its message."""
    if found := _SERVER_ERROR.search(server_message):
        return TargetFailed(f"the server refused the sign-in: {found[1].decode('ascii', 'replace')[:MAX_ERROR_CHARS]}")
    return TargetFailed(otherwise)


def prepare_password(password: str) -> str:
    """A password as MongoDB's SCRAM-SHA-256 hashes it: by SASLprep, which may forbid it. Raises TargetFailed."""
    try:
        return str(saslprep(password))
    except scramp.ScramException as error:
        raise TargetFailed(f"SCRAM-SHA-256 allows no such password: {error.args[0]}") from error
