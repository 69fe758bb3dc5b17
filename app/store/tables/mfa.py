"""Tables of second factors, passkeys and OpenID identities."""

from piccolo.columns import BigInt, Text
from piccolo.table import Table


class TotpRow(Table, tablename="totp"):
    """An authenticator app's secret, encrypted. Required at sign-in once `active_ms` is set."""

    user_id = Text(primary_key=True)
    secret = Text()
    last_step = BigInt(default=0)
    active_ms = BigInt(null=True, default=None)
    created_ms = BigInt()


class RecoveryCodeRow(Table, tablename="recovery_codes"):
    """A single-use code for users who lost their authenticator."""

    user_id = Text(primary_key=True)
    code_hash = Text(primary_key=True)
    used_ms = BigInt(null=True, default=None)


class PasskeyRow(Table, tablename="passkeys"):
    """A WebAuthn credential, valid for the site `rp_id`. Credential and key are base64url, `transports` is JSON."""

    id = Text(primary_key=True)
    user_id = Text(index=True)
    name = Text()
    rp_id = Text()
    credential_id = Text(unique=True)
    public_key = Text()
    sign_count = BigInt()
    transports = Text()
    created_ms = BigInt()
    last_used_ms = BigInt(null=True, default=None)


class WebauthnChallengeRow(Table, tablename="webauthn_challenges"):
    """A WebAuthn challenge, used once; one per user and purpose."""

    user_id = Text(primary_key=True)
    purpose = Text(primary_key=True)
    challenge = Text()
    expires_ms = BigInt()


class OidcIdentityRow(Table, tablename="oidc_identities"):
    """A user's identity at an OpenID provider."""

    issuer = Text(primary_key=True)
    subject = Text(primary_key=True)
    user_id = Text(index=True)
    created_ms = BigInt()
