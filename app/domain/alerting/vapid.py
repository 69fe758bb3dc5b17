"""Keys of web push: how they are made, written and read. Pure but for chance.

Source: RFC 8292 (VAPID). Keys are raw and in base64url without padding, as browsers have them: a private one is the
32 bytes of its number, a public one the 65 bytes of its point on P-256.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVE = ec.SECP256R1()
_KEY_BYTES = 32


def made() -> str:
    """A new private key."""
    return written(ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(_KEY_BYTES, "big"))


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """A private key, read. Raises ValueError."""
    return ec.derive_private_key(int.from_bytes(read(text), "big"), _CURVE)


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """A public key, read. Raises ValueError for what is no point on the curve."""
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, read(text))


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as it crosses the wire."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def public_of(private: str) -> str:
    """The public key that belongs to a private one: what a browser subscribes to. Raises ValueError."""
    return written(point_of(private_key(private).public_key()))


def written(raw: bytes) -> str:
    """Bytes in base64url, without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def read(text: str) -> bytes:
    """Base64url without padding, read. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
