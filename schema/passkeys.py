"""Passkeys (WebAuthn, level 3): what browsers send, and what the API returns."""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schema.field_types import Uuid
from schema.mfa import CurrentPassword, MfaToken, RecoveryCodes, TwoFactorStatus
from schema.pagination import Pagination

Base64Url = Annotated[str, Meta(min_length=1, max_length=16_384, pattern=r"^[A-Za-z0-9_-]+=*$")]
KeyName = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S", examples=["Telephone"])]
Transport = Annotated[str, Meta(max_length=32)]
PublicKey = Annotated[
    dict[str, Any],
    Meta(description="Options for `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` of the browser."),
]

_NAMES = {
    "client_data_json": "clientDataJSON",
    "attestation_object": "attestationObject",
    "authenticator_data": "authenticatorData",
}


class PasskeyOptionsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Starts adding a passkey; requires the password."""

    password: CurrentPassword


class PasskeyOptions(Struct, frozen=True, kw_only=True):
    """Options that a browser passes to an authenticator; valid for five minutes and one attempt."""

    public_key: PublicKey


class PasskeyAttestation(Struct, frozen=True, kw_only=True, rename=_NAMES):
    """What an authenticator created. Browsers add fields as the standard grows, so unknown fields are ignored."""

    client_data_json: Base64Url
    attestation_object: Base64Url
    transports: Annotated[list[Transport], Meta(max_length=10)] = []


class PasskeyAssertion(Struct, frozen=True, kw_only=True, rename=_NAMES):
    """What an authenticator signed. Browsers add fields as the standard grows, so unknown fields are ignored."""

    client_data_json: Base64Url
    authenticator_data: Base64Url
    signature: Base64Url


class AttestedCredential(Struct, frozen=True, kw_only=True, rename="camel"):
    """`toJSON()` of the result of `navigator.credentials.create`."""

    id: Base64Url
    raw_id: Base64Url
    type: Literal["public-key"]
    response: PasskeyAttestation


class SignedCredential(Struct, frozen=True, kw_only=True, rename="camel"):
    """`toJSON()` of the result of `navigator.credentials.get`."""

    id: Base64Url
    raw_id: Base64Url
    type: Literal["public-key"]
    response: PasskeyAssertion


class PasskeyDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new passkey."""

    name: KeyName
    credential: AttestedCredential


class PasskeyPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A passkey's new name."""

    name: KeyName


class Passkey(Struct, frozen=True, kw_only=True):
    """A passkey as returned."""

    id: Uuid
    name: str
    site: Annotated[str, Meta(description="Host that the passkey is for.")]
    transports: list[str]
    created_at: datetime
    last_used_at: datetime | None


class CreatedPasskey(Struct, frozen=True, kw_only=True):
    """The new passkey. Signing in requires it, or another second factor, from now on."""

    passkey: Passkey
    two_factor: TwoFactorStatus
    recovery_codes: Annotated[
        RecoveryCodes | None, Meta(description="Recovery codes, if this is the first second factor; otherwise null.")
    ]


class Passkeys(Struct, frozen=True, kw_only=True):
    """All passkeys."""

    passkeys: list[Passkey]
    total: int


class PasskeyPage(Struct, frozen=True, kw_only=True):
    """One page of passkeys."""

    data: list[Passkey]
    pagination: Pagination


class PasskeyLoginOptionsRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Starts signing in with a passkey, after the password was correct."""

    mfa_token: MfaToken


class PasskeyLogin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The second step of signing in, with a passkey."""

    mfa_token: MfaToken
    credential: SignedCredential
