"""WebAuthn: options for the browser, and verification of its authenticator's responses. Pure but for randomness.

Passkeys are a second factor here: they prove presence, the password proves identity. Importing this module takes a
tenth of a second, so handlers import it when they are first called.
"""

import json
from typing import Any

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.errors import Invalid, Unauthorized
from app.security.auth.relying_party import PASSKEY_NOT_VERIFIED, RelyingParty, StoredPasskey
from schema.passkeys import AttestedCredential, SignedCredential

RP_NAME = "Watchkeeper"
KNOWN_TRANSPORTS = frozenset(one.value for one in AuthenticatorTransport)
AUTHENTICATOR_SELECTION = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.DISCOURAGED, user_verification=UserVerificationRequirement.PREFERRED
)


def registration_options(
    party: RelyingParty, user: tuple[str, str], existing: list[StoredPasskey], challenge: bytes
) -> dict[str, Any]:
    """Options for a new passkey.

    user        id and name
    existing    passkeys the user has already, so that an authenticator creates no second one
    """
    user_id, name = user
    options = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name=RP_NAME,
        user_id=user_id.encode(),
        user_name=name,
        challenge=challenge,
        timeout=300_000,
        authenticator_selection=AUTHENTICATOR_SELECTION,
        exclude_credentials=_descriptors(existing),
    )
    return _decoded_options(webauthn.options_to_json(options))


def authentication_options(party: RelyingParty, existing: list[StoredPasskey], challenge: bytes) -> dict[str, Any]:
    """Options for signing in with one of these passkeys."""
    options = webauthn.generate_authentication_options(
        rp_id=party.rp_id, challenge=challenge, timeout=300_000, allow_credentials=_descriptors(existing)
    )
    return _decoded_options(webauthn.options_to_json(options))


def verify_registration(party: RelyingParty, credential: AttestedCredential, challenge: bytes) -> StoredPasskey:
    """The new passkey. Raises Invalid if it is not one for this site."""
    try:
        verified = webauthn.verify_registration_response(
            credential=msgspec.to_builtins(credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
        )
    except (WebAuthnException, ValueError) as error:
        raise Invalid.for_field("credential", f"is not a passkey for this site: {error}") from error
    transports = [name for name in credential.response.transports if name in KNOWN_TRANSPORTS]
    return StoredPasskey(
        bytes_to_base64url(verified.credential_id),
        bytes_to_base64url(verified.credential_public_key),
        verified.sign_count,
        transports,
    )


def verify_authentication(
    party: RelyingParty, credential: SignedCredential, challenge: bytes, passkey: StoredPasskey
) -> int:
    """The passkey's new sign count. Raises Unauthorized, also if the count did not grow: the passkey was copied."""
    try:
        verified = webauthn.verify_authentication_response(
            credential=msgspec.to_builtins(credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
        )
    except (WebAuthnException, ValueError) as error:
        raise Unauthorized(PASSKEY_NOT_VERIFIED) from error
    return verified.new_sign_count


def _descriptors(passkeys: list[StoredPasskey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(key.credential_id), transports=[AuthenticatorTransport(one) for one in key.transports]
        )
        for key in passkeys
    ]


def _decoded_options(text: str) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(text)
    return options
