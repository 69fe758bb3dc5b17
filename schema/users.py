"""Users, and the requests and responses of signing in."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.status import Role

Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^[^\s@]+@[^\s@]+\.[^\s@]+$|^[^\s@]+@localhost$",
        description="E-mail address.",
        examples=["me@example.org"],
    ),
]
Username = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[^\s@:/]+$",
        description="User name without spaces, @, : and /.",
        examples=["me"],
    ),
]
Password = Annotated[
    str, Meta(min_length=10, max_length=256, description="Password. Common passwords and the user's name are refused.")
]


class Registration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for an account. The first user becomes admin."""

    email: Email
    password: Password
    username: Annotated[Username | None, Meta(description="Default: the part of the e-mail address before the @.")] = (
        None
    )
    setup_token: (
        Annotated[
            str, Meta(max_length=256, description="Required for the first user: the text in DATA_DIR/setup.token.")
        ]
        | None
    ) = None


class Login(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """E-mail address or user name, and the password."""

    email: Annotated[str, Meta(max_length=254)] | None = None
    username: Annotated[str, Meta(max_length=254)] | None = None
    password: Annotated[str, Meta(max_length=256)]
    token: Annotated[str, Meta(max_length=64, description="One-time or recovery code.")] | None = None


class PasswordGrant(Struct, frozen=True, kw_only=True):
    """The form of OAuth2's grant `password` (RFC 6749, 4.3.2). Other fields are ignored."""

    username: Annotated[str, Meta(max_length=254, description="User name or e-mail address.")]
    password: Annotated[str, Meta(max_length=256)]
    token: Annotated[str, Meta(max_length=64, description="One-time or recovery code.")] | UnsetType = UNSET
    grant_type: Annotated[str | UnsetType, Meta(description="Ignored.", examples=["password"])] = UNSET
    scope: Annotated[str | UnsetType, Meta(description="Ignored.")] = UNSET
    client_id: Annotated[str | UnsetType, Meta(description="Ignored.")] = UNSET
    client_secret: Annotated[str | UnsetType, Meta(description="Ignored.")] = UNSET


class RefreshRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exchanges a refresh token for new tokens."""

    refresh_token: Annotated[str, Meta(max_length=2_048)]


class ProfilePatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What users may change of their own account."""

    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    password: (
        Annotated[
            str, Meta(max_length=256, description="Your current password; required to change the e-mail address.")
        ]
        | None
    ) = None
    token: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="One-time code; required to change the e-mail address if you have a second factor.",
            ),
        ]
        | None
    ) = None


class User(Struct, frozen=True, kw_only=True):
    """A user as returned, without the password."""

    id: str
    username: str
    email: str
    is_admin: bool
    role: Role


class LoginResponse(Struct, frozen=True, kw_only=True):
    """New tokens, and the user they belong to."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105  # the scheme's name, not a token
    user: User
    refresh_token: str
    expires_in: Annotated[int, Meta(description="Lifetime of the access token, in seconds.")]


class Principal(Struct, frozen=True, kw_only=True):
    """Who sent a request: decided once per request, in one place.

    via        jwt, cookie, api_key, basic or token
    key_id     the API key, if the request had one
    scopes     limits of an API key, as `noun:read` and `noun:write`; None: all that the role allows
    tags       a viewer limited to tags sees the monitors that have one of them; None: everything
    credential_fingerprint  changes when the password of Basic authentication changes
    """

    user_id: str
    username: str
    role: Role
    via: str
    session_id: str | None = None
    key_id: str | None = None
    scopes: frozenset[str] | None = None
    credential_fingerprint: str = ""
    tags: frozenset[str] | None = None
