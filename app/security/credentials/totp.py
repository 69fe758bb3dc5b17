"""One-time codes (TOTP, RFC 6238), their QR code for an authenticator app, and recovery codes. Pure but for randomness.

The parameters are those every app supports: SHA-1, six digits, thirty seconds.
"""

import hmac
import io
import secrets
from base64 import b32encode
from hashlib import sha256

import pyotp
import segno

ISSUER = "Watchkeeper"
STEP_S = 30
WINDOW = 1  # steps a clock may differ, in either direction
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 random bits: a fast hash is enough, and without a key it survives a key rotation


def generate_secret() -> str:
    """A new secret: 160 bits (RFC 4226, 4), base32."""
    return pyotp.random_base32()


def provisioning_uri(secret_: str, account: str) -> str:
    """The address an authenticator app reads: `otpauth://totp/…`."""
    return pyotp.TOTP(secret_).provisioning_uri(name=account, issuer_name=ISSUER)


def qr_code_svg(text: str) -> str:
    """The text as a QR code in SVG."""
    image = io.BytesIO()
    segno.make(text, micro=False).save(image, kind="svg", xmldecl=False, scale=4, light="#fff", title="QR code")
    return image.getvalue().decode()


def step_of(secret_: str, code: str, now_s: float, *, after: int = 0) -> int | None:
    """The time step that the code belongs to, if it is in the window and later than `after`; else None."""
    now, totp, matching = int(now_s // STEP_S), pyotp.TOTP(secret_), None
    for step in range(now - WINDOW, now + WINDOW + 1):
        is_same = hmac.compare_digest(totp.generate_otp(step).encode(), normalize_code(code).encode())
        matching = step if is_same and step > after and matching is None else matching
    return matching


def generate_recovery_codes() -> list[str]:
    """Ten new recovery codes, in groups of four characters."""
    codes = (b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in codes]


def recovery_code_hash(user_id: str, code: str) -> str:
    """The stored hash of a recovery code, independent of spacing and case."""
    return sha256(f"{user_id}:{normalize_code(code)}".encode()).hexdigest()


def normalize_code(code: str) -> str:
    """A code in lower case, without spaces and dashes."""
    return code.replace(" ", "").replace("-", "").lower()
