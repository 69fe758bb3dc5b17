"""Tables of API keys, and of the pepper of their hashes."""

from piccolo.columns import BigInt, Boolean, Integer, Text
from piccolo.table import Table


class ApiKeyRow(Table, tablename="api_keys"):
    """A user's API key, stored as a keyed hash. `scopes` and `networks` are JSON."""

    id = Text(primary_key=True)
    user_id = Text(index=True)
    name = Text()
    prefix = Text()
    hash = Text(unique=True)
    role = Text()
    scopes = Text(null=True, default=None)
    networks = Text(default="[]")
    expires_ms = BigInt(null=True, default=None)
    active = Boolean(default=True)
    version = Integer(default=1)
    created_ms = BigInt()
    updated_ms = BigInt()
    last_used_ms = BigInt(null=True, default=None)
    last_used_ip = Text(default="")


class KeyPepperRow(Table, tablename="key_peppers"):
    """An encrypted pepper of API key hashes."""

    name = Text(primary_key=True)
    secret = Text()
