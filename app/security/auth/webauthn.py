"""Passkeys, judged: options for a browser, and whether what its authenticator answers is true. Pure but for chance.

As a second factor: that somebody is there is asked for, who they are was told by the password. Importing it takes a
tenth of a second: handlers do when they are first called.
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

    user     id and name
    there    passkeys that the user has: no authenticator shall make a second one
    """
    user_id, name = user
    made = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name=RP_NAME,
        user_id=user_id.encode(),
        user_name=name,
        challenge=challenge,
        timeout=300_000,
        authenticator_selection=AUTHENTICATOR_SELECTION,
        exclude_credentials=_descriptors(existing),
    )
    return _decoded_options(webauthn.options_to_json(made))


def authentication_options(party: RelyingParty, existing: list[StoredPasskey], challenge: bytes) -> dict[str, Any]:
    """Options for signing in with one of these passkeys."""
    made = webauthn.generate_authentication_options(
        rp_id=party.rp_id, challenge=challenge, timeout=300_000, allow_credentials=_descriptors(existing)
    )
    return _decoded_options(webauthn.options_to_json(made))


def verify_registration(party: RelyingParty, credential: AttestedCredential, challenge: bytes) -> StoredPasskey:
    """The new passkey. Raises Invalid when it is none for us."""
    try:
        made = webauthn.verify_registration_response(
            credential=msgspec.to_builtins(credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
        )
    except (WebAuthnException, ValueError) as error:
        raise Invalid.for_field("credential", f"is not a passkey for this site: {error}") from error
    transports = [one for one in credential.response.transports if one in KNOWN_TRANSPORTS]
    return StoredPasskey(
        bytes_to_base64url(made.credential_id),
        bytes_to_base64url(made.credential_public_key),
        made.sign_count,
        transports,
    )


def verify_authentication(
    party: RelyingParty, credential: SignedCredential, challenge: bytes, passkey: StoredPasskey
) -> int:
    """The passkey's new sign count. Raises Unauthorized; also for a count that does not grow: somebody has a copy."""
    try:
        seen = webauthn.verify_authentication_response(
            credential=msgspec.to_builtins(credential),
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=party.origin,
            credential_public_key=base64url_to_bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
        )
    except (WebAuthnException, ValueError) as error:
        raise Unauthorized(PASSKEY_NOT_VERIFIED) from error
    return seen.new_sign_count


def _descriptors(passkeys: list[StoredPasskey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=base64url_to_bytes(key.credential_id), transports=[AuthenticatorTransport(one) for one in key.transports]
        )
        for key in passkeys
    ]


def _decoded_options(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
