"""Two-factor authentication: one-time codes, recovery codes, and the requests that use them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schema.status import Role
from schema.users import User

OneTimeCode = Annotated[
    str,
    Meta(
        min_length=6, max_length=64, description="One-time code of six digits, or a recovery code.", examples=["123456"]
    ),
]
CurrentPassword = Annotated[str, Meta(max_length=256, description="Your current password.")]
MfaToken = Annotated[
    str,
    Meta(
        max_length=2_048,
        description="`mfa_token` of the error `TWO_FACTOR_REQUIRED`: proves that the password was right.",
    ),
]
RecoveryCodes = Annotated[
    list[str],
    Meta(description="Recovery codes. Each replaces a one-time code once. They are shown only in this response."),
]


class TwoFactorStatus(Struct, frozen=True, kw_only=True):
    """Which second factors a user has set up."""

    enabled: bool
    totp: bool
    passkeys: int
    recovery_codes: Annotated[int, Meta(description="Number of unused recovery codes.")]


class Credential(Struct, frozen=True, kw_only=True):
    """The credential of this request, and what it allows: an API key may do less than its owner."""

    via: Annotated[
        Literal["jwt", "cookie", "api_key", "basic", "token"], Meta(description="How the request was authenticated.")
    ]
    role: Annotated[Role, Meta(description="Role of this request; at most the user's.")]
    scopes: Annotated[
        list[str] | None, Meta(description="Scopes of the API key. null: everything that the role allows.")
    ]
    key_id: Annotated[str | None, Meta(description="Id of the API key, if the request used one.")]


class CurrentUser(User, frozen=True, kw_only=True):
    """The signed-in user, and what this request may do."""

    two_factor: TwoFactorStatus
    credential: Credential


class TotpSetupRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Starts the set-up of one-time codes; requires the password."""

    password: CurrentPassword


class TotpSetup(Struct, frozen=True, kw_only=True):
    """A secret for an authenticator app; required at sign-in once you have verified a code."""

    secret: Annotated[str, Meta(description="The secret in Base32, to enter by hand.")]
    otpauth_uri: str
    qr_svg: Annotated[str, Meta(description="`otpauth_uri` as a QR code: an SVG document.")]


class TotpConfirmation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A code that the authenticator app shows."""

    token: OneTimeCode


class TwoFactorEnabled(Struct, frozen=True, kw_only=True):
    """Two-factor authentication is enabled: signing in requires a code from now on."""

    two_factor: TwoFactorStatus
    recovery_codes: RecoveryCodes


class DisableTwoFactor(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Disables two-factor authentication; requires both factors."""

    password: CurrentPassword
    token: OneTimeCode


class RecoveryCodesRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests new recovery codes; requires the password, and a code while an authenticator app is set up."""

    password: CurrentPassword
    token: Annotated[OneTimeCode | None, Meta(description="Required while an authenticator app is set up.")] = None


class TwoFactorLogin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The second step of signing in, with a code."""

    mfa_token: MfaToken
    token: OneTimeCode
