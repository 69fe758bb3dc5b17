"""One-time codes (TOTP, RFC 6238), their address for an app as a QR code, and recovery codes. Pure but for chance.

The algorithm is the one every app knows: SHA-1, six digits, thirty seconds.
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
WINDOW = 1  # steps a clock may be off, either way
RECOVERY_CODES = 10
RECOVERY_BYTES = 10  # 80 bits of chance: a fast hash is enough, and one without a key outlives a change of keys


def generate_secret() -> str:
    """A new secret: 160 bits (RFC 4226, 4), base32."""
    return pyotp.random_base32()


def provisioning_uri(secret_: str, account: str) -> str:
    """What an app reads: `otpauth://totp/…`."""
    return pyotp.TOTP(secret_).provisioning_uri(name=account, issuer_name=ISSUER)


def qr_code_svg(text: str) -> str:
    """The text as a QR code, an SVG document."""
    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="svg", xmldecl=False, scale=4, light="#fff", title="QR code")
    return drawn.getvalue().decode()


def step_of(secret_: str, code: str, now_s: float, *, after: int = 0) -> int | None:
    """The time step, later than `after`, whose code this is; None for no step in the window."""
    now, totp, found = int(now_s // STEP_S), pyotp.TOTP(secret_), None
    for step in range(now - WINDOW, now + WINDOW + 1):
        is_same = hmac.compare_digest(totp.generate_otp(step).encode(), normalize_code(code).encode())
        found = step if is_same and step > after and found is None else found
    return found


def generate_recovery_codes() -> list[str]:
    """Ten new ones, in groups of four for reading and typing."""
    made = (b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in made]


def recovery_code_hash(user_id: str, code: str) -> str:
    """What is stored of a recovery code, however it is spaced and cased."""
    return sha256(f"{user_id}:{normalize_code(code)}".encode()).hexdigest()


def normalize_code(code: str) -> str:
    """A code without what people put between its groups."""
    return code.replace(" ", "").replace("-", "").lower()
