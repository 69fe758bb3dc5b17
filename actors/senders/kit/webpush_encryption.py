"""Encrypts what only one browser may read. Pure: chance comes from whoever calls.

Source: RFC 8291 (message encryption for web push), RFC 8188 (the content coding `aes128gcm`).
"""

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from app.domain.alerting import vapid

RECORD_BYTES = 4_096  # what every push service takes (RFC 8030, 7.2)
PLAIN_LIMIT = RECORD_BYTES - 86 - 17  # bytes: without the header, the tag and the byte that ends the only record
SALT_BYTES = 16
_LAST_RECORD = b"\x02"  # ends the plain text of the last record


class MessageKeys(Struct, frozen=True):
    """What is used for one message and never again."""

    key: ec.EllipticCurvePrivateKey
    salt: bytes


def encrypt_message(plaintext: bytes, browser: str, secret: str, keys: MessageKeys) -> bytes:
    """The body of a push message.

    plain      at most PLAIN_LIMIT bytes
    browser    its public key, `p256dh`
    secret     what it shares with whoever may send, `auth`
    raises     ValueError when a key is none
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
