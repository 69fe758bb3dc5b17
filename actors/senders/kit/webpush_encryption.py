"""Encrypts a push message for one browser. Pure: random values come from the caller.

Source: RFC 8291 (message encryption for web push), RFC 8188 (the content coding `aes128gcm`).
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from app.domain.alerting import vapid

RECORD_BYTES = 4_096  # accepted by every push service (RFC 8030, 7.2)
PLAIN_LIMIT = RECORD_BYTES - 86 - 17  # bytes; less the header, the tag and the delimiter of the only record
SALT_BYTES = 16
_LAST_RECORD = b"\x02"  # delimiter of the last record


class MessageKeys(Struct, frozen=True):
    """Key and salt for exactly one message."""

    key: ec.EllipticCurvePrivateKey
    salt: bytes


def encrypt_message(plaintext: bytes, browser: str, secret: str, keys: MessageKeys) -> bytes:
    """Encrypt the body of a push message.

    plaintext    at most PLAIN_LIMIT bytes
    browser      the browser's public key, `p256dh`
    secret       the subscription's shared secret, `auth`
    raises       ValueError for an invalid key
    """
    theirs, ours = vapid.parse_public_key(browser), vapid.encode_public_key(keys.key.public_key())
    info = b"WebPush: info\0" + vapid.encode_public_key(theirs) + ours
    shared = _derive_key(keys.key.exchange(ec.ECDH(), theirs), vapid.from_base64url(secret), info, 32)
    cipher = AESGCM(_derive_key(shared, keys.salt, b"Content-Encoding: aes128gcm\0", 16))
    nonce = _derive_key(shared, keys.salt, b"Content-Encoding: nonce\0", 12)
    header = keys.salt + RECORD_BYTES.to_bytes(4, "big") + len(ours).to_bytes(1, "big") + ours
    return header + cipher.encrypt(nonce, plaintext + _LAST_RECORD, None)


def _derive_key(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
