"""Sign-in attempts, and counts of recent failures for brute-force protection."""

from enum import StrEnum

from msgspec import Struct


class CredentialKind(StrEnum):
    """What an attacker may guess. Failures of each kind are counted separately."""

    PASSWORD = "password"  # noqa: S105  # a kind, not a password
    CODE = "code"
    KEY = "key"
    LINK = "link"


class AuthMethod(StrEnum):
    """How a failed credential was sent."""

    LOGIN = "login"
    CODE = "code"
    PASSKEY = "passkey"
    OIDC = "oidc"
    BASIC = "basic"
    API_KEY = "api_key"
    TOKEN = "token"  # noqa: S105  # a method, not a token
    COOKIE = "cookie"
    OWN_PASSWORD = "own_password"  # noqa: S105  # a method, not a password
    INVITATION = "invitation"
    SETUP_TOKEN = "setup_token"  # noqa: S105  # a method, not a token
    ACK_LINK = "ack_link"


class FailedLoginKey(Struct, frozen=True):
    """Failed sign-ins that are counted together: `account` is a login as typed or an id, in lower case."""

    method: AuthMethod
    address: str
    account: str
    locked: bool


class LoginAttempt(Struct, frozen=True):
    """One attempt. `account` is a fingerprint, empty if none was named; `address` an IPv4 address or an IPv6 /64."""

    credential_kind: CredentialKind
    account: str
    address: str


class FailureCount(Struct, frozen=True):
    """How many attempts failed in the window that ends with the newest; epoch milliseconds, 0 for never."""

    count: int = 0
    newest_ms: int = 0


class FailureHistory(Struct, frozen=True):
    """Recent failures by account and address together, by account from anywhere, and by address for any account.

    last_success_ms  when this account last signed in from this address
    """

    pair: FailureCount = FailureCount()
    account: FailureCount = FailureCount()
    address: FailureCount = FailureCount()
    last_success_ms: int = 0
