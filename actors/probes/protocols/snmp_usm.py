"""SNMP version 3 with the user-based security model (RFC 3412, 3414, 3826, 7860), with longer AES keys from drafts.

Pure: the caller has the socket.
"""

import hmac
from functools import lru_cache
from hashlib import new as digest
from secrets import token_bytes

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from msgspec import Struct

from actors.probes.protocols.ber import SEQUENCE, element, integer, octets, parse_elements, parse_first, parse_integer
from actors.probes.protocols.snmp_messages import SnmpReply, parse_reply

VERSION, USER_BASED = 3, 3
AUTHENTIC, PRIVATE, REPORTABLE = 1, 2, 4
MAX_MESSAGE_BYTES = 65_507
REPEATED_BYTES = 1 << 20  # RFC 3414, A.2: a password is repeated to a megabyte
MACS = {  # hashlib's name, bytes of the code
    "md5": ("md5", 12),
    "sha": ("sha1", 12),
    "sha224": ("sha224", 16),
    "sha256": ("sha256", 24),
    "sha384": ("sha384", 32),
    "sha512": ("sha512", 48),
}
SALT_BYTES = 8
KEY_BYTES = {"des": 16, "aes": 16, "aes192": 24, "aes256": 32, "aes192c": 24, "aes256c": 32}
BY_REEDER = frozenset({"aes192c", "aes256c"})  # Cisco's way to lengthen a key; the others use Blumenthal's draft
COUNTER_RANGE = range(1 << 31)  # boots and seconds
REPORTS = {
    "1.3.6.1.6.3.15.1.1.1.0": "the user may not ask at this security level",
    "1.3.6.1.6.3.15.1.1.2.0": "our clock and the device's differ: not in its time window",
    "1.3.6.1.6.3.15.1.1.3.0": "unknown user",
    "1.3.6.1.6.3.15.1.1.4.0": "the device doesn't know its own engine id",
    "1.3.6.1.6.3.15.1.1.5.0": "wrong authentication password or protocol",
    "1.3.6.1.6.3.15.1.1.6.0": "wrong privacy password or protocol",
}
NOT_IN_TIME = "1.3.6.1.6.3.15.1.1.2.0"


class Engine(Struct, frozen=True):
    """A device's identity and clock."""

    id: bytes = b""
    boots: int = 0
    time_s: int = 0


class SnmpUser(Struct, frozen=True):
    """The user of a request; empty protocols are a lower security level."""

    name: str = ""
    auth: str = ""
    auth_password: str = ""
    priv: str = ""
    priv_password: str = ""
    context: str = ""

    @property
    def flags(self) -> int:
        """The security level."""
        return (AUTHENTIC if self.auth else 0) | (PRIVATE if self.priv else 0)


class SnmpMessage(Struct, frozen=True):
    """A message from the device."""

    reply: SnmpReply
    engine: Engine
    authentic: bool


def encode_message(pdu: bytes, message_id: int, user: SnmpUser, engine: Engine) -> bytes:
    """A request, authenticated and encrypted for the user."""
    scoped, salt = element(SEQUENCE, octets(engine.id), octets(user.context), pdu), b""
    if user.priv:
        salt = token_bytes(8)
        scoped = octets(_apply_cipher(user, engine, salt, scoped, decrypt=False))
    size = MACS[user.auth][1] if user.auth else 0
    blank = _message(message_id, user, engine, bytes(size), salt, scoped)
    if not user.auth:
        return blank
    return _message(message_id, user, engine, _auth_code(user, engine, blank), salt, scoped)


def decode_message(data: bytes, message_id: int, user: SnmpUser) -> SnmpMessage:
    """Parse the device's reply to that message. Raises ValueError for another message, or a forged one."""
    _, inner = parse_first(data)
    (_, version), (_, head), (_, security), (kind, scoped) = parse_elements(inner)
    (_, own_id), _, (_, flags), _ = parse_elements(head)
    ((_, parameters),) = parse_elements(security)
    (_, engine_id), (_, boots), (_, time_s), _, (_, code), (_, salt) = parse_elements(parameters)
    engine = Engine(engine_id, parse_integer(boots), parse_integer(time_s))
    if (parse_integer(version), parse_integer(own_id), len(flags)) != (VERSION, message_id, 1):
        raise ValueError("no answer to us")
    if engine.boots not in COUNTER_RANGE or engine.time_s not in COUNTER_RANGE:
        raise ValueError("a clock that is none")
    authentic = bool(user.auth and flags[0] & AUTHENTIC)
    if authentic and not hmac.compare_digest(code, _auth_code(user, engine, data.replace(code, bytes(len(code)), 1))):
        raise ValueError("the answer is not by whom it claims")
    if user.priv and flags[0] & PRIVATE:
        kind, scoped = parse_first(_apply_cipher(user, engine, salt, scoped, decrypt=True))  # DES adds padding
    if kind != SEQUENCE:
        raise ValueError("an answer that can't be read")
    _, _, (pdu, body) = parse_elements(scoped)
    return SnmpMessage(parse_reply(pdu, body), engine, authentic)


def _message(message_id: int, user: SnmpUser, engine: Engine, code: bytes, salt: bytes, scoped: bytes) -> bytes:
    flags = bytes((user.flags | REPORTABLE,))
    head = element(SEQUENCE, integer(message_id), integer(MAX_MESSAGE_BYTES), octets(flags), integer(USER_BASED))
    clock = (integer(engine.boots), integer(engine.time_s))
    security = element(SEQUENCE, octets(engine.id), *clock, octets(user.name), octets(code), octets(salt))
    return element(SEQUENCE, integer(VERSION), head, octets(security), scoped)


def _auth_code(user: SnmpUser, engine: Engine, data: bytes) -> bytes:
    name, size = MACS[user.auth]
    return hmac.digest(_localized_key(name, user.auth_password.encode(), engine.id), data, name)[:size]


def _apply_cipher(user: SnmpUser, engine: Engine, salt: bytes, data: bytes, *, decrypt: bool) -> bytes:
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt of another size")
    key = _privacy_key(user, engine)
    if user.priv == "des":
        return _des(key, salt, data, decrypt=decrypt)
    clock = engine.boots.to_bytes(4, "big") + engine.time_s.to_bytes(4, "big")
    return _aes(key, clock + salt, data, decrypt=decrypt)


def _privacy_key(user: SnmpUser, engine: Engine) -> bytes:
    """A key of the cipher's length from a hash that may be shorter, extended in one of the two ways that devices know.

    source    draft-blumenthal-aes-usm-04, 3.1.2.1; draft-reeder-snmpv3-usm-3desede-00, 2.1
    """
    algorithm, size = MACS[user.auth][0], KEY_BYTES[user.priv]
    derived = last = _localized_key(algorithm, user.priv_password.encode(), engine.id)
    while len(derived) < size:
        if user.priv in BY_REEDER:
            last = _localized_key(algorithm, last, engine.id)
            derived += last
        else:
            derived += digest(algorithm, derived).digest()
    return derived[:size]


def _des(key: bytes, salt: bytes, data: bytes, *, decrypt: bool) -> bytes:
    """RFC 3414, 8.1.1: a cipher that some devices still need."""
    start = bytes(one ^ other for one, other in zip(key[8:16], salt, strict=True))
    cipher = Cipher(TripleDES(key[:8] * 3), CBC(start))
    output = cipher.decryptor() if decrypt else cipher.encryptor()
    return output.update(data + bytes(-len(data) % 8)) + output.finalize()


def _aes(key: bytes, start: bytes, data: bytes, *, decrypt: bool) -> bytes:
    """RFC 3826: AES with 128 bits of feedback."""
    cipher = Cipher(AES(key), CFB(start))
    output = cipher.decryptor() if decrypt else cipher.encryptor()
    return output.update(data) + output.finalize()


@lru_cache(maxsize=1_024)
def _localized_key(algorithm: str, secret: bytes, engine_id: bytes) -> bytes:
    """A password's key on one device. Cached: deriving it hashes a megabyte."""
    repeated = (secret * (REPEATED_BYTES // len(secret) + 1))[:REPEATED_BYTES]
    general = digest(algorithm, repeated).digest()
    return digest(algorithm, general + engine_id + general).digest()
