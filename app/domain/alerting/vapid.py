"""Web Push keys: generate, encode and parse them. Pure, except for the random numbers.

Source: RFC 8292 (VAPID). Keys are raw and in base64url without padding, as browsers have them: a private one is the
32 bytes of its number, a public one the 65 bytes of its point on P-256.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_CURVE = ec.SECP256R1()
_KEY_BYTES = 32


def generate_private_key() -> str:
    """A new private key."""
    return to_base64url(ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(_KEY_BYTES, "big"))


def parse_private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """Parse a private key. Raises ValueError."""
    return ec.derive_private_key(int.from_bytes(from_base64url(text), "big"), _CURVE)


def parse_public_key(text: str) -> ec.EllipticCurvePublicKey:
    """Parse a public key. Raises ValueError when it is no point on the curve."""
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, from_base64url(text))


def encode_public_key(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as it is sent: an uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def public_key_for(private: str) -> str:
    """The public key of a private key, which browsers subscribe to. Raises ValueError."""
    return to_base64url(encode_public_key(parse_private_key(private).public_key()))


def to_base64url(raw: bytes) -> str:
    """Encode bytes in base64url, without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
