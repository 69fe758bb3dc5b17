"""Invitations: how a new user gets an account through a link."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from schema.field_types import Uuid
from schema.status import Role
from schema.users import Email, Password, Username


class InvitationStatus(StrEnum):
    """The state of an invitation."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"
    EXPIRED = "expired"


class InvitationDraft(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is invited, and with which role."""

    email: Email
    role: Role = Role.VIEWER


class Invitation(Struct, frozen=True, kw_only=True):
    """An invitation as returned."""

    id: Uuid
    email: str
    role: Role
    status: InvitationStatus
    invited_by: Annotated[str, Meta(description="Id of the user who sent the invitation.")]
    created_at: datetime
    expires_at: datetime


class IssuedInvitation(Invitation, frozen=True, kw_only=True):
    """An invitation with its token and link: shown only once, stored as a hash."""

    token: str
    link: Annotated[
        str,
        Meta(description="Link to the front end. The token is in its fragment, which browsers do not send to servers."),
    ]


class InvitationAcceptance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an invited user sends to create their account."""

    token: Annotated[str, Meta(max_length=256)]
    password: Password
    username: Annotated[Username | None, Meta(description="Default: the part of the e-mail address before the @.")] = (
        None
    )
