"""Tables of users and their sessions."""

from piccolo.columns import BigInt, Boolean, Integer, Text
from piccolo.table import Table


class UserRow(Table, tablename="users"):
    """A user. `username` and `email` are stored in lower case and unique."""

    id = Text(primary_key=True)
    username = Text(unique=True)
    email = Text(unique=True)
    password_hash = Text()
    role = Text()
    active = Boolean(default=True)
    created_ms = BigInt()
    version = Integer(default=1)


class SessionRow(Table, tablename="sessions"):
    """One sign-in. Ended sessions stay until their expiry, so that a reused refresh token is recognised.

    previous_refresh_hash    the refresh token that was exchanged for the present one at `refreshed_ms`
    """

    id = Text(primary_key=True)
    user_id = Text(index=True)
    refresh_hash = Text()
    previous_refresh_hash = Text(null=True, default=None)
    refreshed_ms = BigInt(null=True, default=None)
    created_ms = BigInt()
    last_accessed_ms = BigInt()
    expires_ms = BigInt()
    ended_ms = BigInt(null=True, default=None)
    ip = Text(default="")
    agent = Text(default="")
