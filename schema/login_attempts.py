"""Attempts to prove who one is, and how many of them failed of late."""

from enum import StrEnum

from msgspec import Struct


class CredentialKind(StrEnum):
    """What is being guessed when it is guessed. Each kind is counted by itself."""

    PASSWORD = "password"  # noqa: S105  # a kind, not a password
    CODE = "code"
    KEY = "key"
    LINK = "link"


class AuthMethod(StrEnum):
    """By what a failed proof came."""

    LOGIN = "login"
    CODE = "code"
    PASSKEY = "passkey"
    OIDC = "oidc"
    BASIC = "basic"
    API_KEY = "api_key"
    TOKEN = "token"  # noqa: S105  # a way, not a token
    COOKIE = "cookie"
    OWN_PASSWORD = "own_password"  # noqa: S105  # a way, not a password
    INVITATION = "invitation"
    SETUP_TOKEN = "setup_token"  # noqa: S105  # a way, not a token
    ACK_LINK = "ack_link"


class FailedLoginKey(Struct, frozen=True):
    """A kind of failed proofs that are counted together: `account` as it was typed or an id, in small letters."""

    method: AuthMethod
    address: str
    account: str
    locked: bool


class LoginAttempt(Struct, frozen=True):
    """One try. `account` is a fingerprint, empty where none is named; `address` an IPv4 address or an IPv6 /64."""

    credential_kind: CredentialKind
    account: str
    address: str


class FailureCount(Struct, frozen=True):
    """How many failed in the window that ends with the newest one; epoch milliseconds, 0 for never."""

    count: int = 0
    newest_ms: int = 0


class FailureHistory(Struct, frozen=True):
    """What is known of an attempt: its pair of account and address, the account anywhere, the address with anybody.

    familiar_ms     when this account last proved itself from this address
    """

    pair: FailureCount = FailureCount()
    account: FailureCount = FailureCount()
    address: FailureCount = FailureCount()
    last_success_ms: int = 0
