"""The table of invitations."""

from piccolo.columns import BigInt, Text
from piccolo.table import Table


class InvitationRow(Table, tablename="invitations"):
    """An invitation of a new user. Its token is stored as a hash."""

    id = Text(primary_key=True)
    email = Text(index=True)
    role = Text()
    token_hash = Text(unique=True)
    invited_by = Text()
    created_ms = BigInt()
    expires_ms = BigInt()
    accepted_ms = BigInt(null=True, default=None)
    revoked_ms = BigInt(null=True, default=None)
