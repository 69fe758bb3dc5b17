"""Users as admins manage them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from schema.status import Role
from schema.users import Email, Password, User, Username


class ApiKeyAction(StrEnum):
    """What to do with a user's API keys when their permissions or credentials change."""

    KEEP = "keep"
    REVOKE = "revoke"


_API_KEYS_DESCRIPTION = "Whether the user's API keys are disabled (`revoke`, default) or stay active (`keep`)"
KeysRevoked = Annotated[int, Meta(description="How many of the user's API keys this change disabled.")]


class UserDetail(User, frozen=True, kw_only=True):
    """A user with their account state."""

    active: Annotated[bool, Meta(description="Whether the user may sign in.")]
    created_at: datetime
    last_seen_at: Annotated[datetime | None, Meta(description="Newest use of a session, accurate to a minute.")]
    version: Annotated[int, Meta(description="Increases with every change; also the ETag.")]


class UpdatedUser(UserDetail, frozen=True, kw_only=True):
    """A user after a change."""

    api_keys_revoked: KeysRevoked = 0


class UserDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new user. Without a password they are invited and choose one."""

    email: Email
    username: Annotated[Username | None, Meta(description="Default: the part of the e-mail address before the @.")] = (
        None
    )
    role: Role = Role.VIEWER
    password: Password | None = None


class UserPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes to a user. Absent fields stay."""

    email: Email | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    api_keys: Annotated[
        ApiKeyAction, Meta(description=f"{_API_KEYS_DESCRIPTION} when the change sets `active: false` or a lower role.")
    ] = ApiKeyAction.REVOKE


class PasswordReset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new password for another user; generated when absent."""

    password: Password | None = None
    api_keys: Annotated[ApiKeyAction, Meta(description=f"{_API_KEYS_DESCRIPTION}.")] = ApiKeyAction.REVOKE


class GeneratedPassword(Struct, frozen=True, kw_only=True):
    """The new password to hand over."""

    password: Annotated[
        str | None, Meta(description="Generated password, shown only in this response. null if you sent one.")
    ]
    api_keys_revoked: KeysRevoked = 0


class PasswordChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Your current password and the new one."""

    old_password: Annotated[str, Meta(max_length=256)]
    new_password: Password
    api_keys: Annotated[
        ApiKeyAction,
        Meta(description="Whether your API keys stay active (`keep`, default) or are disabled (`revoke`)."),
    ] = ApiKeyAction.KEEP
