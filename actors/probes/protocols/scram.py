"""SCRAM, the client's side (RFC 5802, 7677): proves that both sides know the password. Pure."""

import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from base64 import b64decode, b64encode

from actors.probes.kit.result import TargetFailed

MAX_ROUNDS = 200_000  # of hashing that a server may ask for: a tenth of a second of CPU; 4,096 to 15,000 are common
TOO_MANY_ROUNDS = f"the sign-in asks for more than {MAX_ROUNDS:,} rounds of hashing"
DIGITS = re.compile("[0-9]{1,9}")
NOT_SCRAM = "the server's sign-in is not SCRAM as it should be"


class ScramClient:
    """One sign-in.

    digest    `sha256` or `sha1`, from the mechanism's name
    nonce     ours; usually a new one
    """

    def __init__(self, username: str, password: str, digest: str, nonce: str = "") -> None:
        self._password, self._digest = password.encode(), digest
        self._nonce = nonce or secrets.token_urlsafe(24)
        self._first = f"n={username.replace('=', '=3D').replace(',', '=2C')},r={self._nonce}"
        self._proof = b""

    def first_message(self) -> bytes:
        """The client's first message."""
        return f"n,,{self._first}".encode()

    def final_message(self, server_message: bytes) -> bytes:
        """The message with the proof, from the server's first message. Raises TargetFailed when that is not SCRAM."""
        fields = _parse_fields(server_message)
        nonce, salt, rounds = fields.get("r", ""), fields.get("s", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or not salt or not DIGITS.fullmatch(rounds):
            raise TargetFailed(NOT_SCRAM)
        if int(rounds) > MAX_ROUNDS:
            raise TargetFailed(TOO_MANY_ROUNDS)
        try:
            salted = hashlib.pbkdf2_hmac(self._digest, self._password, b64decode(salt), int(rounds))
        except ValueError as error:
            raise TargetFailed(NOT_SCRAM) from error
        without_proof = f"c=biws,r={nonce}"
        auth_message = f"{self._first},{server_message.decode('ascii', 'replace')},{without_proof}".encode()
        key = self._mac(salted, b"Client Key")
        signature = self._mac(hashlib.new(self._digest, key).digest(), auth_message)
        self._proof = self._mac(self._mac(salted, b"Server Key"), auth_message)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return f"{without_proof},p={b64encode(proof).decode()}".encode()

    def verify(self, server_message: bytes) -> None:
        """Verify that the server knows the password too. Raises TargetFailed."""
        if not hmac.compare_digest(_parse_fields(server_message).get("v", ""), b64encode(self._proof).decode()):
            raise TargetFailed("the server does not know the password itself")

    def _mac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, self._digest)


def _parse_fields(server_message: bytes) -> dict[str, str]:
    parts = [one.partition("=") for one in server_message.decode("ascii", "replace").split(",")]
    return {name: value for name, _, value in parts}


def prepare_password(password: str) -> str:
    """A password as SCRAM-SHA-256 hashes it (RFC 4013, as far as spaces and normal forms go)."""
    mapped = "".join(
        " " if stringprep.in_table_c12(one) else one for one in password if not stringprep.in_table_b1(one)
    )
    return unicodedata.normalize("NFKC", mapped)
